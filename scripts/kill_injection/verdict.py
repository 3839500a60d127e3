"""Judges what belongs to no single question: stray messages, the order of turns, unfinished work, damage."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from separate_bot.replies import Replies
from separate_bot.stored_memory import StoredMemory
from separate_bot.verdict import Mistake

from kill_injection.members import Channel, Question


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
