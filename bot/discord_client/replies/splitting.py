"""Lays a long text out over messages that Discord accepts.

A message has at most 2,000 code points (Discord's API documentation, "Create Message") and may not be empty. What a
cut goes through, such as a code block or a spoiler, is closed in one message and opened again in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.conversation.graphemes import torn_by_cut
from bot.discord_client.replies.markdown.cutting import cut
from bot.discord_client.replies.markdown.document import read_document

MESSAGE_LIMIT = 2000

_TRUNCATED = "\n-# This answer is too long for Discord. All of it is in the attached file."
_CUT = "\n-# This answer is too long for Discord, so its end is missing. Ask for a shorter one."
_GROWING = " …"
_LONGEST_NOTE = 1000


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """What a reply should look like.

    Attributes:
        bodies: the texts of the messages, in order, each of 1 to 2,000 code points.
        attachment: the full answer as the model wrote it, if the bodies do not hold it.
    """

    bodies: tuple[str, ...]
    attachment: str | None = None


def plan_reply(
    text: str,
    *,
    header: str = "",
    note: str = "",
    max_messages: int,
    finished: bool,
    cut_off: bool = False,
    may_attach: bool = True,
) -> ReplyPlan:
    """Lay an answer out over at most `max_messages` messages.

    Args:
        text: the answer so far; a blank one takes no message.
        header: a line above the answer.
        note: lines below the answer, such as why it ended early; those beyond 1,000 characters are left out.
        max_messages: at least 1.
        finished: whether nothing is to be added; only then is a file attached.
        cut_off: whether the answer ended before the model ended it, perhaps within a code block.
        may_attach: whether the channel takes files; otherwise the end of the answer is left out.
    """
    text = text.strip()
    shown = "\n".join(filter(None, (header, text)))
    note = _in_one_line(note)
    if shown and note:
        note = f"-# {note}"
    document = read_document(shown, note=note, growing=not finished, cut_off=cut_off)
    bodies = cut(document, MESSAGE_LIMIT)
    if len(bodies) <= max_messages:
        return ReplyPlan(tuple(bodies))
    ending = _GROWING
    if finished:
        ending = _TRUNCATED if may_attach else _CUT
    if note:
        ending += f"\n{note}"
        document = read_document(shown, growing=not finished, noted=True, cut_off=cut_off)
    kept = cut(document, MESSAGE_LIMIT, last=max_messages, reserve=len(ending))[:max_messages]
    kept[-1] += ending
    return ReplyPlan(tuple(kept), text if finished and may_attach else None)


def _in_one_line(note: str) -> str:
    """The lines of a note in one, without those that make it too long."""
    joined = ""
    for line in note.splitlines():
        longer = " ".join((*joined.split(), *line.split()))
        if not joined or len(longer) <= _LONGEST_NOTE:
            joined = longer
    return joined[: _LONGEST_NOTE - torn_by_cut(joined, _LONGEST_NOTE)]
