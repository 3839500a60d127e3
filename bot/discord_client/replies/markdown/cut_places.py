"""Finds the best place to end a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

from bot.conversation.graphemes import torn_by_cut
from bot.discord_client.replies.markdown.spans import Span, Weight

# Only the later part of a message counts, or messages would become short.
_EARLIEST = 0.5
# Where to cut, best first; before the line break, behind the rest.
_LINE_BREAKS = (re.compile(r"\n(?=[^\S\n]*\n)"), re.compile(r"\n"))
_WITHIN_LINES = (
    # A sentence. Chinese, Japanese, Khmer and Burmese put no space behind it.
    re.compile(r"[.!?…؟۔।॥።][\"'”’)\]*_~|`]*(?=\s)|[。！？｡។။][」』）】”’\"')*_~|`]*"),  # noqa: RUF001 - as above
    re.compile(r"\S(?=\s)|[、，；：]"),  # noqa: RUF001 - full-width
)
# What must not begin a line in Chinese and Japanese.
_CLOSING_MARKS = frozenset("。、，．！？；：」』）】〉》”’…ーぁぃぅぇぉっゃゅょァィゥェォッャュョ")  # noqa: RUF001 - full-width
# What would be drawn as a list, a heading or a quote if it began a message.
_LINE_MARK = re.compile(r"\s*(?:[*_~|]+)?(?:[-*+]|\d+\.|#{1,3}|-#|>{1,3})\s")
_CODE_WEIGHTS = (Weight.CODE, Weight.CODE_BLOCK)
_TRIED_AT_LIMIT = 12
# A closing that is longer, such as the address of a link, is not repeated.
_LONGEST_CLOSING = 0.25


class CutPlaces:
    """The places at which a message can end.

    Args:
        text: in Discord's Markdown.
        spans: those that reach into the message.
        start: where the message begins.
        room: its length at most, with what closes its spans.
    """

    def __init__(self, text: str, spans: Sequence[Span], start: int, room: int) -> None:
        self._text = text
        self._start = start
        self._room = room
        self._end = start + room
        self._earliest = start + int(room * _EARLIEST)
        self._spans = spans

    def best(self) -> tuple[int, list[Span]]:
        """The best place, and the spans that are to be closed there and opened again, from the outside in."""
        worse: list[tuple[int, int, int]] = []
        for tier, pattern in enumerate((*_LINE_BREAKS, *_WITHIN_LINES)):
            for place in sorted(self._places(tier, pattern), reverse=True):
                weight = self._weights[place - self._earliest]
                if weight != Weight.NONE:
                    worse.append((weight, tier, -place))
                elif self._fits(place):
                    return place, self._cut_spans(place)
        for _, _, place in sorted([*worse, *self._places_within_words()]):
            if self._fits(-place):
                return -place, self._cut_spans(-place)
        return self._end - torn_by_cut(self._text, self._end), []

    def _cut_spans(self, place: int) -> list[Span]:
        """The spans that a cut goes through and that can be closed and opened again, from the outside in."""
        longest = self._room * _LONGEST_CLOSING
        return [span for span in self._spans if span.first < place < span.last and len(span.closing) <= longest]

    def _places(self, tier: int, pattern: re.Pattern[str]) -> Iterator[int]:
        for match in pattern.finditer(self._text, self._earliest, self._end + 1):
            place = match.start() if tier < len(_LINE_BREAKS) else match.end()
            if place <= self._end:
                yield place

    def _places_within_words(self) -> Iterator[tuple[int, int, int]]:
        tier = len(_LINE_BREAKS) + len(_WITHIN_LINES)
        closing = sum(len(span.closing) for span in self._cut_spans(self._end))
        places = {self._end - closing - back for back in range(_TRIED_AT_LIMIT)}
        for span in self._spans:
            if span.start < self._end < span.end and (span.weight >= Weight.LINK or span.start >= self._earliest):
                places.add(span.start)
        for place in places:
            while self._earliest < place and self._text[place] in _CLOSING_MARKS:
                place -= 1
            place -= torn_by_cut(self._text, place)
            if place > self._start:
                yield self._weight(place), tier, -place

    def _weight(self, place: int) -> int:
        if place >= self._earliest:
            return self._weights[place - self._earliest]
        return max((span.weight for span in self._spans if span.start < place < span.end), default=Weight.NONE)

    def _fits(self, place: int) -> bool:
        """Whether a message may end here."""
        body = self._text[self._start : place].rstrip()
        spans = self._cut_spans(place)
        if not body or len(body) + sum(len(span.closing) for span in spans) > self._room:
            return False
        after = self._text[place : place + 40].lstrip()[:1]
        for span in spans:
            # Next to its own mark, a mark would be read with it.
            if span.weight in (Weight.STYLE, Weight.CODE, Weight.SPOILER) and span.closing[0] in (body[-1], after):
                return False
        if self._text.startswith("\n", place) or any(span.weight in _CODE_WEIGHTS for span in spans):
            return True
        return _LINE_MARK.match(self._text, place) is None

    @cached_property
    def _weights(self) -> bytearray:
        """How bad a cut is before each character from the earliest place on."""
        offset = self._earliest
        weights = bytearray(self._end - offset + 1)
        longest = self._room * _LONGEST_CLOSING
        spans = [span for span in self._spans if span.end > offset]
        for span in sorted(spans, key=lambda span: span.weight):
            weight = span.weight if len(span.closing) <= longest else Weight.WHOLE
            _paint(weights, span.start + 1 - offset, span.end - offset, weight)
        for span in spans:
            # A span of which nothing is left on one side would not be drawn.
            first, last = span.first, span.last
            while first < last and self._text[first].isspace():
                first += 1
            while first < last and self._text[last - 1].isspace():
                last -= 1
            _paint(weights, span.start + 1 - offset, first + 1 - offset, Weight.WHOLE)
            _paint(weights, last - offset, span.end - offset, Weight.WHOLE)
        return weights


def _paint(weights: bytearray, first: int, last: int, weight: Weight) -> None:
    first, last = max(first, 0), min(last, len(weights))
    if first < last:
        weights[first:last] = bytes((weight,)) * (last - first)
