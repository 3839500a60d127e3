"""One long text as several messages that Discord takes.

A message holds 2,000 code points at most (Discord's API documentation, "Create Message"), and an empty one is
refused. Text is cut where a reader would cut it, and a code block that is cut is closed in one message and opened
again, with its language, in the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MESSAGE_LIMIT = 2000

# Discord's code block: three backticks, and the rest of that line as the language if it is one word.
_FENCE = re.compile(r"`{3,}([\w+#.-]{0,32}(?=\r?\n|\Z))?")
_CLOSING_FENCE = re.compile(r"\s*`{3,}")
_CLOSING = "\n```"
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+")
# Where to cut, best first. A better place counts only in the later part of the message, or messages would get short.
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[.!?…。！？]['\")\]]*\s"),  # noqa: RUF001 - full-width marks end sentences too
    re.compile(r"\s"),
)
_EARLIEST_BREAK = 0.5
_TRUNCATED = "\n-# The answer is longer than this; all of it is in the attached file."
_GROWING = " …"
_LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """What a reply should look like now.

    Attributes:
        bodies: the messages' texts, in order, each from 1 to 2,000 characters.
        attachment: the full answer as a file's text, where the bodies do not hold it; otherwise None.
    """

    bodies: tuple[str, ...]
    attachment: str | None = None


def plan_reply(text: str, *, note: str = "", max_messages: int, finished: bool) -> ReplyPlan:
    """Lay an answer out over at most `max_messages` messages.

    Args:
        text: the answer so far; no messages while it is blank.
        note: a line of our own below the answer, such as why it ended early; cut where it is very long.
        max_messages: the most messages to use, at least 1.
        finished: the answer is complete; only then is a longer one attached as a file.
    """
    text = text.strip()
    note = " ".join(note.split())[:_LONGEST_NOTE]
    if text and note and _open_fence(text) is not None:
        text += _CLOSING
    whole = f"{text}\n-# {note}" if text and note else text or note
    bodies = split_text(whole)
    if len(bodies) <= max_messages:
        return ReplyPlan(tuple(bodies))
    ending = _GROWING
    if finished:
        ending = f"{_TRUNCATED}\n-# {note}" if note else _TRUNCATED
    kept = split_text(text, last=max_messages, reserve=len(ending))[:max_messages]
    kept[-1] += ending
    return ReplyPlan(tuple(kept), text if finished else None)


def split_text(text: str, limit: int = MESSAGE_LIMIT, *, last: int | None = None, reserve: int = 0) -> list[str]:
    """Cut a text into pieces of at most `limit` code points.

    Args:
        text: any text.
        limit: the longest piece.
        last: the number of a piece (1 is the first) that must leave room.
        reserve: how many code points that piece leaves.

    Returns:
        the pieces, none of them blank; each closes the code block that it opens.
    """
    pieces: list[str] = []
    text = text.lstrip()
    while text:
        cut = _cut_place(text, limit - (reserve if len(pieces) + 1 == last else 0))
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
    """Open a code block again for the rest of it; no more than its end, and it has ended already."""
    if end := _CLOSING_FENCE.match(rest):
        return rest[end.end() :].lstrip()
    if not rest.strip():
        return ""
    blank = _BLANK_LINES.match(rest)
    return f"```{language}\n{rest[blank.end() if blank else 0 :]}"


def _cut_place(text: str, room: int) -> int:
    """Where the best place is to cut a text that begins a message, leaving room to close a code block."""
    if len(text) <= room - len(_CLOSING) or (len(text) <= room and _open_fence(text) is None):
        return len(text)
    window = text[: room - len(_CLOSING)]
    cut = _break_place(window)
    last_fence = _last_open_fence(window[:cut])
    # A code block that has no line here yet moves to the next message whole.
    if last_fence is not None and last_fence.start() > 0 and not window[last_fence.end() : cut].strip():
        return last_fence.start()
    return cut


def _break_place(window: str) -> int:
    earliest = int(len(window) * _EARLIEST_BREAK)
    for pattern in _BREAKS:
        places = [match.end() for match in pattern.finditer(window, earliest)]
        if places:
            # A line break stays with what follows, so that code keeps its indentation.
            return places[-1] - 1 if window[places[-1] - 1] == "\n" else places[-1]
    # A run of backticks stays whole where it can.
    return len(window.rstrip("`")) or len(window)


def _last_open_fence(body: str) -> re.Match[str] | None:
    fences = list(_FENCE.finditer(body))
    return fences[-1] if len(fences) % 2 == 1 else None


def _open_fence(body: str) -> str | None:
    """The language of the code block that is open at the end, "" where it has none; None outside a block."""
    fence = _last_open_fence(body)
    return (fence[1] or "") if fence else None
