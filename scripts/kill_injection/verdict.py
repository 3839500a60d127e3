"""Decides whether everybody was answered once, and whether memory holds just that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum

from kill_injection.memory_file import MemoryFile
from kill_injection.people import Mention, Place
from kill_injection.replies import Replies, Shown

_NOTE = "-# "
_FENCE = "```"


class Mistake(StrEnum):
    """What can be wrong."""

    UNANSWERED = "not answered"
    ANSWERED_TWICE = "answered more than once"
    PART_LOST = "with a part of the answer that memory does not know, or that is gone"
    BUTTON_LEFT = "with a button left"
    OTHER_TEXT = "with another text on Discord than in memory"
    NOT_REMEMBERED = "not remembered"
    OTHER_QUESTION = "remembered with another question"
    STRAY_MESSAGE = "messages that answer nothing"
    WRONG_ORDER = "channels that are remembered in another order"
    UNFINISHED = "questions still unfinished"
    DAMAGED = "damaged files"


def judge_mention(mention: Mention, replies: Replies, memory: MemoryFile) -> Mistake | None:
    """Say what is wrong with a mention that was not deleted, if anything is."""
    first = replies.to(mention.id)
    if not first:
        return Mistake.UNANSWERED
    if len(first) > 1:
        return Mistake.ANSWERED_TWICE
    ids = memory.replies.get(mention.id, ())
    parts = [replies.shown[each] for each in ids if each in replies.shown]
    if len(parts) != len(ids) or parts[:1] != first:
        return Mistake.PART_LOST
    if any(part.has_button for part in parts):
        return Mistake.BUTTON_LEFT
    turn = memory.turns.get(mention.id)
    if turn is None or turn.author_id != mention.author_id or turn.channel_id != mention.channel_id:
        return Mistake.NOT_REMEMBERED
    if turn.text not in mention.texts:
        return Mistake.OTHER_QUESTION
    return None if said(parts) == _words(turn.answer) else Mistake.OTHER_TEXT


def judge_rest(
    mentions: Sequence[Mention], places: Collection[Place], replies: Replies, memory: MemoryFile
) -> Iterator[tuple[Mistake, str]]:
    """Tell what is wrong beside the mentions themselves, each with a line that says more."""
    known = {each for ids in memory.replies.values() for each in ids}
    stable = {place.channel_id for place in places if place.is_stable}
    for shown in replies.shown.values():
        if shown.channel_id in stable and shown.id not in known:
            yield Mistake.STRAY_MESSAGE, f"{shown}"
    for channel_id in stable:
        if reason := _disorder(memory.branch(channel_id), channel_id, mentions, memory):
            yield Mistake.WRONG_ORDER, f"channel {channel_id}: {reason}"
    for message_id in memory.accepted:
        yield Mistake.UNFINISHED, f"question {message_id}"
    if memory.integrity != "ok":
        yield Mistake.DAMAGED, memory.integrity


def said(parts: Sequence[Shown]) -> list[str]:
    """The words of an answer in several messages, without the notes below it."""
    lines = [line for part in parts for line in part.content.splitlines() if not line.startswith(_NOTE)]
    return _words("\n".join(lines))


def _words(text: str) -> list[str]:
    """Fences do not count: a block of code that goes on in the next message is closed and opened again."""
    return text.replace(_FENCE, " ").split()


def _disorder(line: Sequence[int], channel_id: int, mentions: Sequence[Mention], memory: MemoryFile) -> str:
    """What is wrong with a channel's line: it must hold all turns, and those of each person in the order asked."""
    if missing := {turn_id for turn_id, turn in memory.turns.items() if turn.channel_id == channel_id} - set(line):
        return f"{len(missing)} turns are on no line: {sorted(missing)}"
    here = [each for each in mentions if each.channel_id == channel_id]
    for author_id in {each.author_id for each in here}:
        asked = [each.id for each in here if each.author_id == author_id]
        answered = [turn_id for turn_id in line if turn_id in asked]
        if answered != [turn_id for turn_id in asked if turn_id in answered]:
            return f"{author_id} asked {asked}, remembered is {answered}"
    return ""
