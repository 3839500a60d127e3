"""Splits a long text into messages that Discord accepts.

A message has at most 2,000 code points (Discord's API documentation, "Create Message") and may not be empty. Text is
cut where a reader would cut it. A code block that is cut is closed in one message and opened again, with its language,
in the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.conversation.graphemes import torn_by_cut

MESSAGE_LIMIT = 2000

# Discord's code block: three backticks, then the language if the rest of the line is one word.
_FENCE = re.compile(r"`{3,}([\w+#.-]{0,32}(?=\r?\n|\Z))?")
_CLOSING_FENCE = re.compile(r"\s*`{3,}")
_CLOSING = "\n```"
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+")
# Where to cut, best first. Only the later part of a message counts, or messages would become short.
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?…。！？]['\")\]]*\s"),  # noqa: RUF001 - full-width marks end sentences too
    re.compile(r"\s"),
)
_EARLIEST_BREAK = 0.5
_TRUNCATED = "\n-# This answer is too long for Discord. All of it is in the attached file."
_CUT = "\n-# This answer is too long for Discord, so its end is missing. Ask for a shorter one."
_GROWING = " …"
_LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """What a reply should look like.

    Attributes:
        bodies: the texts of the messages, in order, each of 1 to 2,000 code points.
        attachment: the full answer, if the bodies do not hold it.
    """

    bodies: tuple[str, ...]
    attachment: str | None = None


def plan_reply(text: str, *, note: str = "", max_messages: int, finished: bool, may_attach: bool = True) -> ReplyPlan:
    """Lay an answer out over at most `max_messages` messages.

    Args:
        text: the answer so far; a blank one takes no message.
        note: a line below the answer, such as why it ended early; cut after 500 characters.
        max_messages: at least 1.
        finished: whether the answer is complete; only then is a file attached.
        may_attach: whether the channel takes files; otherwise the end of the answer is left out.
    """
    text = text.strip()
    note = " ".join(note.split())
    note = note[: _LONGEST_NOTE - torn_by_cut(note, _LONGEST_NOTE)]
    if text and note and _open_fence(text) is not None:
        text += _CLOSING
    whole = f"{text}\n-# {note}" if text and note else text or note
    bodies = split_text(whole)
    if len(bodies) <= max_messages:
        return ReplyPlan(tuple(bodies))
    ending = _GROWING
    if finished:
        ending = _TRUNCATED if may_attach else _CUT
        ending += f"\n-# {note}" if note else ""
    kept = split_text(text, last=max_messages, reserve=len(ending))[:max_messages]
    kept[-1] += ending
    return ReplyPlan(tuple(kept), text if finished and may_attach else None)


def split_text(text: str, limit: int = MESSAGE_LIMIT, *, last: int | None = None, reserve: int = 0) -> list[str]:
    """Cut a text into pieces of at most `limit` code points.

    Args:
        text: any text.
        limit: the longest piece.
        last: the number of the piece (1 is the first) that must be shorter.
        reserve: how many code points shorter it must be.

    Returns:
        the pieces, none of them blank; each closes the code block that it opens.
    """
    pieces: list[str] = []
    text = text.lstrip()
    while text:
        cut = _cut_at(text, limit - (reserve if len(pieces) + 1 == last else 0))
        body, text = text[:cut].rstrip(), text[cut:]
        language = _open_fence(body)
        if language is None:
            text = text.lstrip()
        else:
            body += _CLOSING
            text = _inside_code_block(language, text)
        pieces.append(body)
    return pieces


def _inside_code_block(language: str, rest: str) -> str:
    """Open a code block again for the rest of the text; drop the block if only its end is left."""
    if end := _CLOSING_FENCE.match(rest):
        return rest[end.end() :].lstrip()
    if not rest.strip():
        return ""
    blank = _BLANK_LINES.match(rest)
    return f"```{language}\n{rest[blank.end() if blank else 0 :]}"


def _cut_at(text: str, room: int) -> int:
    """The index at which to cut a text that begins a message, leaving room to close a code block."""
    if len(text) <= room - len(_CLOSING) or (len(text) <= room and _open_fence(text) is None):
        return len(text)
    window = text[: room - len(_CLOSING)]
    cut = _break_at(window)
    if cut >= len(window) * _EARLIEST_BREAK:  # what stands before a long run of backticks can be a single cluster
        cut -= torn_by_cut(text, cut)
    last_fence = _last_open_fence(window[:cut])
    # A code block without a line in this message moves to the next one whole.
    if last_fence is not None and last_fence.start() > 0 and not window[last_fence.end() : cut].strip():
        return last_fence.start()
    return cut


def _break_at(window: str) -> int:
    earliest = int(len(window) * _EARLIEST_BREAK)
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(window, earliest)]
        if ends:
            # A line break goes to the next piece, so that code keeps its indentation.
            return ends[-1] - 1 if window[ends[-1] - 1] == "\n" else ends[-1]
    # A run of backticks stays whole if it can.
    return len(window.rstrip("`")) or len(window)


def _last_open_fence(body: str) -> re.Match[str] | None:
    fences = list(_FENCE.finditer(body))
    return fences[-1] if len(fences) % 2 == 1 else None


def _open_fence(body: str) -> str | None:
    """The language of the code block that is open at the end, "" if it has none; None outside a block."""
    fence = _last_open_fence(body)
    return (fence[1] or "") if fence else None
