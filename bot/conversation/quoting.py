"""Decides which of the messages that a question is about are quoted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.conversation.turn import Quote, Relation, TextFile, Turn, UserMessage


def quotes_beyond(branch: Sequence[Turn], asked: UserMessage, question_of: Callable[[int], int]) -> tuple[Quote, ...]:
    """The quotes of a question without those that the branch holds, and without what came before these.

    A message that is itself what is asked stays.

    Args:
        branch: what the question continues.
        asked: the question.
        question_of: the question that a message answers, or the message itself.
    """
    held = {message_id for turn in branch if turn.asked is not None for message_id in _messages_of(turn, turn.asked)}
    says_more = any(isinstance(file, TextFile) for file in asked.own_files)
    repeated = None if says_more else asked.repeated
    kept: list[Quote] = []
    is_held = False
    for quote in reversed(asked.quotes):
        is_cited = quote.relation is not Relation.PART
        is_held = is_held or (is_cited and not held.isdisjoint((quote.message_id, question_of(quote.message_id))))
        if not (is_cited and is_held) or quote is repeated:
            kept.append(quote)
    return tuple(reversed(kept))


def _messages_of(turn: Turn, asked: UserMessage) -> set[int]:
    return {turn.id, *(part.message_id for part in asked.parts)}
