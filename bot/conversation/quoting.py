"""Decides which of the messages that a question is about are quoted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from bot.conversation.turn import Quote, Relation, TextFile, Turn, UserMessage

IsHeld: TypeAlias = Callable[[int], bool]
"""Whether the branch that a question continues holds a message, as a question, a part of one or an answer."""


def held_by(branch: Sequence[Turn], question_of: Callable[[int], int]) -> IsHeld:
    """What a branch holds.

    Args:
        branch: without gaps, in any order.
        question_of: the question that a message answers, or the message itself.
    """
    asked = [(turn.id, turn.asked) for turn in branch if turn.asked is not None]
    held = {turn_id for turn_id, _ in asked} | {part.message_id for _, each in asked for part in each.parts}
    return lambda message_id: not held.isdisjoint((message_id, question_of(message_id)))


def quotes_beyond(asked: UserMessage, is_held: IsHeld) -> tuple[Quote, ...]:
    """The quotes of a question without those that the branch holds, and without what came before these.

    A message that is itself what is asked stays.
    """
    says_more = any(isinstance(file, TextFile) for file in asked.own_files)
    repeated = None if says_more else asked.repeated
    kept: list[Quote] = []
    goes_back = True
    for quote in reversed(asked.quotes):
        is_part = quote.relation is Relation.PART
        goes_back = goes_back and (is_part or not is_held(quote.message_id))
        if goes_back or is_part or quote is repeated:
            kept.append(quote)
    return tuple(reversed(kept))


def begins_a_chain(quotes: Sequence[Quote], is_held: IsHeld) -> bool:
    """Whether the messages before the one that a question replies to belong to the question, too."""
    return any(
        quote.relation in (Relation.REPLIED_TO, Relation.TARGET) and not is_held(quote.message_id) for quote in quotes
    )
