"""Shows the names of members' files in a text on Discord."""

from __future__ import annotations

import re
from collections.abc import Sequence

import discord

from bot.conversation.graphemes import torn_by_cut

_LONGEST = 60
_LENGTH_OF_END = 16
_MOST_LISTED = 5
# They turn the direction of everything after them.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# `discord.utils.escape_markdown` leaves channels, emoji, times, links, and markup inside of masked links.
_MARKUP = re.compile(r"[\\*_~`|<\[]|(?<=:)//")


def listed(names: Sequence[str]) -> str:
    """The names in one line, at most five of them, that cannot format the text around them or mention anybody."""
    shown = [escaped(shortened(name)) for name in names]
    if len(shown) > _MOST_LISTED:
        shown[_MOST_LISTED - 1 :] = [f"{len(shown) - _MOST_LISTED + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name of at most 60 characters: its beginning, and its end with the extension."""
    if len(name) <= longest:
        return name
    start_of_end = len(name) - _LENGTH_OF_END
    end = name[start_of_end - torn_by_cut(name, start_of_end) :]
    end_of_start = max(0, longest - 1 - len(end))
    return f"{name[: end_of_start - torn_by_cut(name, end_of_start)]}…{end}"


def escaped(name: str) -> str:
    """A text that cannot format the text around it or mention anybody."""
    printable = _CONTROLS.sub(" ", name)
    return discord.utils.escape_mentions(_MARKUP.sub(r"\\\g<0>", printable))
