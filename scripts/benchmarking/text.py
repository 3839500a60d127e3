"""A text for the model to read, whose words also make up the questions."""

from __future__ import annotations

SYSTEM_PROMPT = "You are a helpful assistant in a chat. Answer briefly and to the point."

TEXT = """\
A lighthouse is a tower with a bright lamp at the top. It stands where ships must not come too close: on a rock, on \
the end of a long sandbank, or at the mouth of a harbour. For many centuries the light was an open fire of wood or \
coal, and a keeper had to carry the fuel up the stairs every evening. Later came oil lamps with mirrors behind them, \
and in the year 1823 a French engineer put the first of his great lenses into a lighthouse. The lens was made of many \
rings of glass, and each ring bent the light a little more, so that all of it left the tower in one flat beam. Sailors \
could now see the light from more than thirty kilometres away.

To know which lighthouse they were looking at, sailors counted. One light flashed twice every ten seconds, the next \
one along the coast flashed once every five seconds, and a third was red on one side and white on the other. The list \
of all these lights was printed every year and kept beside the charts. A ship that saw two of them at the same time \
could draw two lines on the chart, and the place where the lines met was the place of the ship.

The life of a keeper was quiet and strict. The lamp had to burn from sunset until sunrise, whatever the weather was. \
The clockwork that turned the lens had to be wound up every few hours, just like a big clock. The windows were cleaned \
each morning, because salt from the sea dries on glass and makes it dull. On lonely rocks two or three people lived \
together for weeks, and a storm could keep the boat with their food and letters away for a month. Many of them read a \
great deal, some learned to knit, and almost all of them kept a diary in which they wrote about the wind.

Today nearly every lighthouse works by itself. A small sensor notices when it gets dark, an electric motor turns the \
lens, and a computer far away sends a message if something is broken. Ships find their way by satellite. Still, people \
on small boats are glad to see the old light, because a satellite receiver can fail and a lighthouse needs nothing but \
open eyes. Some of the empty houses have become museums or hotels, and in one of them you can sleep in the room below \
the lamp and watch the beam go round above the dark water.
"""
