"""Cuts a document into messages where a reader would cut it.

What a cut goes through is closed before it and opened again behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.discord_client.replies.markdown.code_blocks import ZERO_WIDTH_SPACE
from bot.discord_client.replies.markdown.cut_places import CutPlaces
from bot.discord_client.replies.markdown.document import Document
from bot.discord_client.replies.markdown.spans import Span, Weight

_BLANK_LINES = re.compile(r"(?:[^\S\n]*(?:>[^\S\n]*)?\n)+")
_BLANK = re.compile(r"(?:\s+|(?<=\n)>[^\S\n]*(?=\n))*")
_QUOTE_MARK = re.compile(r" *> ")
_NESTED_ITEM = re.compile(r"\s*\n( +)(?:[-*]|\d+\.) ")


def cut(document: Document, limit: int, *, last: int | None = None, reserve: int = 0) -> list[str]:
    """Cut a document into messages of at most `limit` code points.

    Args:
        last: the number of the message (1 is the first) that must be shorter.
        reserve: how many code points shorter it must be.

    Returns:
        the messages, none of them blank.
    """
    text, spans = document.text, document.spans
    messages: list[str] = []
    near: list[Span] = []
    taken = 0
    beginning = _Beginning(_skip(_BLANK, text, 0))
    while beginning.position < len(text):
        room = limit - len(beginning.opening) - (reserve if len(messages) + 1 == last else 0)
        end = beginning.position + room
        if len(text) <= end:
            messages.append(beginning.message(text[beginning.position :]))
            break
        while taken < len(spans) and spans[taken].start <= end:
            near.append(spans[taken])
            taken += 1
        near = [span for span in near if span.end > beginning.position]
        place, through = CutPlaces(text, near, beginning.position, room).best()
        closing = "".join(span.closing for span in reversed(through))
        messages.append(beginning.message(text[beginning.position : place], closing))
        beginning = _beginning_after(text, place, through)
    return messages


@dataclass(frozen=True, slots=True)
class _Beginning:
    """How a message begins.

    Attributes:
        position: of its text.
        opening: what opens the spans again that were cut.
        indent: of the nested list that it begins in.
    """

    position: int
    opening: str = ""
    indent: str = ""

    def message(self, text: str, closing: str = "") -> str:
        body = text.rstrip()
        while body.endswith("\n>"):
            body = body[:-2].rstrip()
        if self.indent:
            body = _outdented(body, self.indent)
        return self.opening + body + closing


def _beginning_after(text: str, place: int, through: Sequence[Span]) -> _Beginning:
    if any(span.weight == Weight.CODE_BLOCK for span in through):
        opening = _opening(through)
        is_mid_line = opening.startswith(">") and not text.startswith("\n", place)
        return _Beginning(_skip(_BLANK_LINES, text, place), f"{opening}> " if is_mid_line else opening)
    nested = _NESTED_ITEM.match(text, place)
    position = _skip(_BLANK, text, place)
    quote = next((span for span in through if span.weight == Weight.QUOTE), None)
    if quote is not None:
        # The mark comes before the styles in the quote, and behind those around it.
        through = [span for span in through if span.weight != Weight.QUOTE]
        through.insert(sum(span.start < quote.start for span in through), quote._replace(opening="> "))
        position = _skip(_QUOTE_MARK, text, position)
    return _Beginning(position, _opening(through), nested[1] if nested else "")


def _opening(spans: Sequence[Span]) -> str:
    opening = ""
    for span in spans:
        # Otherwise the two would be read as one mark, from the outside in.
        apart = opening.endswith(("*", "_")) and len(opening) % 2 and span.opening == 2 * opening[-1]
        opening += (ZERO_WIDTH_SPACE if apart else "") + span.opening
    return opening


def _skip(pattern: re.Pattern[str], text: str, position: int) -> int:
    skipped = pattern.match(text, position)
    return skipped.end() if skipped else position


def _outdented(body: str, indent: str) -> str:
    """Move a list to the margin as far as it is nested: Discord takes the indentation from a message's first line."""
    first, *lines = body.split("\n")
    nested = 0
    while nested < len(lines) and lines[nested].startswith(indent):
        nested += 1
    return "\n".join([first, *(line[len(indent) :] for line in lines[:nested]), *lines[nested:]])
