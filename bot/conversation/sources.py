"""Whose words a prompt holds, so that the engine's caches can lose them when memory does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter

from bot.conversation.turn import ConversationKey, Question, Turn, UserMessage
from bot.conversation.wording import worded_turns
from bot.engine.interface import Source


def sources_of(
    starts: Sequence[int], length: int, branch: Sequence[Turn], question: Question | None = None
) -> tuple[Source, ...]:
    """Whose words the first ids of a prompt hold, in the order of their starts.

    A turn's source covers its question and its answer. A quote is another message, often by another member, so it has
    a source of its own with the same start. A summary has a source for each message that it covers.

    Args:
        starts: of a prompt that ends with the branch and a question (`Prompt.starts`).
        length: how many of the prompt's ids.
        branch: the oldest turn first.
        question: as the prompt has it; None if it is nobody's.
    """
    turns = worded_turns(branch)
    question_starts = starts[-1 - 2 * len(turns) :: 2]  # an answer lies between each two
    sources = [
        source
        for start, (turn, asked, _) in zip(question_starts, turns, strict=False)
        for source in (*_of_question(start, turn.id, turn.key, asked), *_of_summary(start, turn))
    ]
    if question is not None:
        sources += _of_question(question_starts[-1], question.id, question.key, question.asked)
    # A chat template may write messages in another order.
    return tuple(sorted((source for source in sources if source.start < length), key=attrgetter("start")))


def _of_question(start: int, message_id: int, key: ConversationKey, asked: UserMessage) -> Iterator[Source]:
    yield Source(start, message_id, asked.author_id, key.channel_id)
    for quote in asked.quotes:
        yield Source(start, quote.message_id, quote.author_id, key.channel_id)


def _of_summary(start: int, turn: Turn) -> Iterator[Source]:
    for covered in turn.covers:
        yield Source(start, covered.message_id, covered.author_id, covered.channel_id)
