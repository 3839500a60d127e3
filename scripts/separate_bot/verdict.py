"""Judges whether a question was answered once, and whether memory agrees with Discord."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from bot.discord_client.replies.splitting import plan_reply
from separate_bot.replies import BotMessage, Replies
from separate_bot.stored_memory import StoredMemory

_NOTE = "-# "
_FENCE = "```"
_UNLIMITED_MESSAGES = 1000


class Mistake(StrEnum):
    """What can be wrong; each text follows a count."""

    UNANSWERED = "not answered"
    NEVER_TOLD = "neither answered nor told why"
    TOLD_TWICE = "told more than once"
    CUT_SHORT = "with an answer that was broken off"
    ANSWERED_TWICE = "answered more than once"
    PART_MISSING = "with a message that memory does not know, or that is missing"
    BUTTON_LEFT = "with a Stop button left"
    OTHER_TOKENS = "with other tokens than without any cache"
    OTHER_TEXT = "with another text on Discord than in memory"
    NOT_REMEMBERED = "not remembered"
    OTHER_QUESTION = "remembered with another question text"
    STRAY_MESSAGE = "messages that answer nothing"
    WRONG_ORDER = "channels with turns in the wrong order"
    UNFINISHED = "questions still unfinished"
    DAMAGED = "damaged files"


class Asked(Protocol):
    """A question as its asker knows it; `texts` has the text of every edit."""

    @property
    def id(self) -> int: ...
    @property
    def channel_id(self) -> int: ...
    @property
    def author_id(self) -> int: ...
    @property
    def texts(self) -> Sequence[str]: ...


def is_settled(question: Asked, replies: Replies) -> bool:
    """Return whether somebody has a reply that no longer grows, or a notice that names them."""
    return replies.is_whole(question.id) or bool(replies.naming(question.author_id, question.channel_id, question.id))


def judge_answer(question: Asked, replies: Replies, memory: StoredMemory) -> Mistake | None:
    """Return what is wrong with the answer to a question that was not deleted, if anything is."""
    first = replies.to(question.id)
    if not first:
        return Mistake.UNANSWERED
    if len(first) > 1:
        return Mistake.ANSWERED_TWICE
    ids = memory.replies.get(question.id, ())
    parts = [replies.messages[each] for each in ids if each in replies.messages]
    if len(parts) != len(ids) or parts[:1] != first:
        return Mistake.PART_MISSING
    if any(part.has_button for part in parts):
        return Mistake.BUTTON_LEFT
    turn = memory.turns.get(question.id)
    if turn is None or turn.author_id != question.author_id or turn.channel_id != question.channel_id:
        return Mistake.NOT_REMEMBERED
    if turn.text not in question.texts:
        return Mistake.OTHER_QUESTION
    shown = plan_reply(turn.answer, max_messages=_UNLIMITED_MESSAGES, finished=True).bodies
    return None if words_of(parts) == _words("\n".join(shown)) else Mistake.OTHER_TEXT


def words_of(parts: Sequence[BotMessage]) -> list[str]:
    """Return the words of an answer in several messages, without the notes below it."""
    lines = [line for part in parts for line in part.content.splitlines() if not line.startswith(_NOTE)]
    return _words("\n".join(lines))


def _words(text: str) -> list[str]:
    """Split without what depends on the note below: fences at a cut, and backslashes before lone marks.

    A database stores U+FFFD for NUL.
    """
    return text.replace(_FENCE, " ").replace("\\", "").replace("\0", "\ufffd").split()
