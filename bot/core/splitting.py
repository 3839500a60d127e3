"""One long text as several messages that Discord takes.

A message holds 2,000 code points at most (Discord's API documentation, "Create Message"), and an empty one is
refused. Text is cut where a reader would cut it, and a code block that is cut is closed in one message and opened
again, with its language, in the next.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MESSAGE_LIMIT = 2000

_FENCE = re.compile(r"`{3,}([\w+#.-]*(?=\n))?")
_CLOSING = "\n```"
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
        note: a line of our own below the answer, such as why it ended early.
        max_messages: the most messages to use, at least 1.
        finished: the answer is complete; only then is a longer one attached as a file.
    """
    text = text.strip()
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
    opening = ""
    while text.strip():
        room = limit - (reserve if len(pieces) + 1 == last else 0) - len(opening)
        piece, text = _cut(text, room)
        body = opening + piece
        language = _open_fence(body)
        if language is not None:
            body += _CLOSING
            opening = f"```{language}\n" if text else ""
            text = text.removeprefix("\n")
        else:
            opening = ""
            text = text.lstrip()
        pieces.append(body.rstrip())
    return pieces


def _cut(text: str, room: int) -> tuple[str, str]:
    """Take as much as fits, up to the best place to cut, leaving room to close a code block."""
    if len(text) + len(_CLOSING) <= room:
        return text, ""
    window = text[: room - len(_CLOSING)]
    cut = _break_place(window)
    if (fence := _dangling_opening(window[:cut])) is not None:
        cut = fence
    return text[:cut].rstrip(), text[cut:]


def _break_place(window: str) -> int:
    earliest = int(len(window) * _EARLIEST_BREAK)
    for pattern in _BREAKS:
        places = [match.end() for match in pattern.finditer(window, earliest)]
        if places:
            # A line break stays with what follows, so that code keeps its indentation.
            return window.rfind("\n", 0, places[-1]) if window[places[-1] - 1] == "\n" else places[-1]
    backticks = len(window) - len(window.rstrip("`"))
    return len(window) - backticks or len(window)


def _dangling_opening(piece: str) -> int | None:
    """Where a code block starts that has no line in this piece, so that it can move to the next one whole."""
    fences = list(_FENCE.finditer(piece))
    if len(fences) % 2 == 1 and not piece[fences[-1].end() :].strip() and fences[-1].start() > 0:
        return fences[-1].start()
    return None


def _open_fence(body: str) -> str | None:
    """The language of the code block that is open at the end, "" where it has none; None outside a block."""
    fences = list(_FENCE.finditer(body))
    return (fences[-1][1] or "") if len(fences) % 2 == 1 else None
