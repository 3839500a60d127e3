"""Judges whether every question was answered once, and whether memory agrees with Discord."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum

from kill_injection.members import Channel, Question
from kill_injection.replies import BotMessage, Replies
from kill_injection.stored_memory import StoredMemory

_NOTE = "-# "
_FENCE = "```"


class Mistake(StrEnum):
    """What can be wrong; each text follows a count."""

    UNANSWERED = "not answered"
    ANSWERED_TWICE = "answered more than once"
    PART_MISSING = "with a message that memory does not know, or that is missing"
    BUTTON_LEFT = "with a Stop button left"
    OTHER_TEXT = "with another text on Discord than in memory"
    NOT_REMEMBERED = "not remembered"
    OTHER_QUESTION = "remembered with another question text"
    STRAY_MESSAGE = "messages that answer nothing"
    WRONG_ORDER = "channels with turns in the wrong order"
    UNFINISHED = "questions still unfinished"
    DAMAGED = "damaged files"


def judge_question(question: Question, replies: Replies, memory: StoredMemory) -> Mistake | None:
    """Return what is wrong with a question that was not deleted, if anything is."""
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
    return None if words_of(parts) == _words(turn.answer) else Mistake.OTHER_TEXT


def judge_rest(
    questions: Sequence[Question], channels: Collection[Channel], replies: Replies, memory: StoredMemory
) -> Iterator[tuple[Mistake, str]]:
    """Yield the mistakes that belong to no single question, each with a line of detail."""
    known = {each for ids in memory.replies.values() for each in ids}
    stable = {channel.id for channel in channels if channel.is_stable}
    for message in replies.messages.values():
        if message.channel_id in stable and message.id not in known:
            yield Mistake.STRAY_MESSAGE, f"{message}"
    for channel_id in stable:
        if reason := _disorder(memory.branch(channel_id), channel_id, questions, memory):
            yield Mistake.WRONG_ORDER, f"channel {channel_id}: {reason}"
    for message_id in memory.accepted:
        yield Mistake.UNFINISHED, f"question {message_id}"
    if memory.integrity != "ok":
        yield Mistake.DAMAGED, memory.integrity


def words_of(parts: Sequence[BotMessage]) -> list[str]:
    """Return the words of an answer in several messages, without the notes below it."""
    lines = [line for part in parts for line in part.content.splitlines() if not line.startswith(_NOTE)]
    return _words("\n".join(lines))


def _words(text: str) -> list[str]:
    """Split without fences: a code block that continues in the next message is closed and opened again."""
    return text.replace(_FENCE, " ").split()


def _disorder(branch: Sequence[int], channel_id: int, questions: Sequence[Question], memory: StoredMemory) -> str:
    """Check that a branch holds all turns of its channel, and each member's turns in the order asked."""
    if missing := {turn_id for turn_id, turn in memory.turns.items() if turn.channel_id == channel_id} - set(branch):
        return f"{len(missing)} turns are on no branch: {sorted(missing)}"
    here = [each for each in questions if each.channel_id == channel_id]
    for author_id in {each.author_id for each in here}:
        asked = [each.id for each in here if each.author_id == author_id]
        answered = [turn_id for turn_id in branch if turn_id in asked]
        if answered != [turn_id for turn_id in asked if turn_id in answered]:
            return f"{author_id} asked {asked}, memory has {answered}"
    return ""
