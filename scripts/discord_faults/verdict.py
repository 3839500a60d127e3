"""Judges whether everybody who asked was answered once or told why not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from separate_bot.replies import BotMessage, Replies
from separate_bot.stored_memory import StoredMemory
from separate_bot.verdict import Mistake, judge_answer

from discord_faults.people import Question

_NOTE = "-# "
_HARMLESS_NOTE = "reached the maximum length"
_UNFINISHED_TEXTS = (
    "answering other questions",
    "answering your other question",
    "answer again in",
    "to read before I can answer",
    "restarting",
)
_FAILURE = "failed"
_OF_THE_MODEL = "oooo"
"""Part of every word of the tiny model: a message that contains it is an answer, not a refusal."""


def is_answered(question: Question, memory: StoredMemory) -> bool:
    """Return whether memory holds an answer to the question."""
    return question.id in memory.turns


def judge_round(
    questions: Sequence[Question], replies: Replies, memory: StoredMemory, first_id: int
) -> Iterator[tuple[Mistake, str]]:
    """Yield every mistake of a round with a line of detail.

    Args:
        first_id: the round's first message; the bot's earlier messages are not judged.
    """
    for question in questions:
        if is_answered(question, memory):
            mistake = judge_answer(question, replies, memory) or _cut_short(question, replies, memory)
        else:
            mistake = _judge_refusal(question, replies)
        if mistake is not None:
            yield mistake, f"{question}: {[_shortened(each) for each in replies.to(question.id)]}"
    asked = {each.id for each in questions}
    yield from _judge_notices(questions, replies, memory)
    yield from _stray_messages(asked, replies, memory, first_id)
    for message_id in asked.intersection(memory.accepted):
        yield Mistake.UNFINISHED, f"question {message_id}"
    if memory.integrity != "ok":
        yield Mistake.DAMAGED, memory.integrity


def _cut_short(question: Question, replies: Replies, memory: StoredMemory) -> Mistake | None:
    contents = [replies.messages[each].content for each in memory.replies[question.id]]
    notes = [line for content in contents for line in content.splitlines() if line.startswith(_NOTE)]
    return None if all(_HARMLESS_NOTE in note for note in notes) else Mistake.CUT_SHORT


def _judge_refusal(question: Question, replies: Replies) -> Mistake | None:
    direct = replies.to(question.id)
    told = direct or replies.naming(question.author_id, question.channel_id, question.id)
    if not told:
        return Mistake.NEVER_TOLD
    if len(direct) > 1:
        return Mistake.TOLD_TWICE
    if any(each.has_button for each in direct):
        return Mistake.BUTTON_LEFT
    if any(_OF_THE_MODEL in each.content for each in direct):
        return Mistake.NOT_REMEMBERED
    if any(_FAILURE in each.content for each in direct):
        return Mistake.CUT_SHORT
    return Mistake.UNFINISHED if any(part in each.content for each in direct for part in _UNFINISHED_TEXTS) else None


def _judge_notices(
    questions: Sequence[Question], replies: Replies, memory: StoredMemory
) -> Iterator[tuple[Mistake, str]]:
    """Find members whom more notices name than they have questions without a reply."""
    refused = Counter(
        (each.author_id, each.channel_id)
        for each in questions
        if not is_answered(each, memory) and not replies.to(each.id)
    )
    own_ids: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for each in questions:
        own_ids[each.author_id, each.channel_id].append(each.id)
    for (author_id, channel_id), ids in own_ids.items():
        # A notice is a reply to the first whom it names.
        notices = [each for each in replies.naming(author_id, channel_id, ids[0]) if each.question_id not in ids]
        if len(notices) > refused[author_id, channel_id]:
            yield Mistake.TOLD_TWICE, f"member {author_id}: {[_shortened(each) for each in notices]}"


def _stray_messages(
    asked: set[int], replies: Replies, memory: StoredMemory, first_id: int
) -> Iterator[tuple[Mistake, str]]:
    known = {each for question_id in asked for each in memory.replies.get(question_id, ())}
    for message in replies.messages.values():
        if message.id <= first_id or message.id in known or message.question_id in asked:
            continue
        if message.question_id is not None or not message.mentions:
            yield Mistake.STRAY_MESSAGE, _shortened(message)


def _shortened(message: BotMessage) -> str:
    text = message.content if len(message.content) <= 80 else f"{message.content[:40]} … {message.content[-40:]}"
    return f"{message.id} {'with a button ' * message.has_button}{text!r}"
