"""An answer as Discord will draw it, ready to be cut."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from bot.discord_client.replies.markdown.dialect import to_discord
from bot.discord_client.replies.markdown.span_reader import Follows, SpanReader
from bot.discord_client.replies.markdown.spans import Change, Span, Weight


@dataclass(frozen=True, slots=True)
class Document:
    """A text in Discord's Markdown with its spans, in the order of their beginning."""

    text: str
    spans: Sequence[Span]


def read_document(
    text: str, *, note: str = "", growing: bool = False, noted: bool = False, cut_off: bool = False
) -> Document:
    """Read what a model wrote.

    Args:
        note: a line below it; no span of the text reaches into it.
        growing: whether more of the text is to come.
        noted: whether a note is to follow wherever the text is cut.
        cut_off: whether the model was to write more.
    """
    translated = to_discord(text, complete=not (growing or cut_off))
    body = translated.text.rstrip() or text.strip()
    whole = f"{body}\n{note}" if body and note else body or note
    reader = SpanReader(whole, growing=growing)
    start = 0
    for block in translated.code_blocks:
        reader.read(start, block.start, Follows.CODE_BLOCK)
        first, last = block.start + len(block.opening), block.end - len(block.closing)
        head = block.start + block.head
        reader.spans += [
            Span(block.start, block.end, first, last, Weight.CODE_BLOCK, block.opening, block.closing),
            Span(block.start, head, block.start, head, Weight.HEADING),
        ]
        start = block.end
    reader.read(start, len(body), Follows.NOTE if noted or (body and note) else Follows.NOTHING)
    reader.close_spoiler()
    if body and note:
        reader.read(len(body), len(whole), Follows.NOTHING)
    reader.finish()
    return _changed(whole, reader.spans, reader.changes)


def _changed(text: str, spans: Sequence[Span], changes: Sequence[Change]) -> Document:
    if not changes:
        return Document(text, spans)
    parts, position = [], 0
    for change in changes:
        parts += [text[position : change.position], change.inserted]
        position = change.position + change.removed
    parts.append(text[position:])
    places = [change.position for change in changes]
    shifts = list(accumulate((len(change.inserted) - change.removed for change in changes), initial=0))

    def moved(position: int) -> int:
        return position + shifts[bisect_left(places, position)]

    def moved_end(position: int) -> int:
        # What closes an open style is inserted at its end, and belongs to it.
        return position + shifts[bisect_right(places, position)]

    moved_spans = [
        Span(moved(s.start), moved_end(s.end), moved(s.first), moved(s.last), s.weight, s.opening, s.closing)
        for s in spans
    ]
    return Document("".join(parts), moved_spans)
