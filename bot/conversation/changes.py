"""Changes of turns: edits, deletions and forgetting. Each returns the turn itself if it does not concern it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from bot.conversation.turn import Turn

TurnChange = Callable[[Turn], Turn]


def edited(turn: Turn, message_id: int, text: str, file_ids: Collection[int]) -> Turn:
    """The turn after a message got a new text and kept only these attachments."""
    asked = turn.asked
    if asked is None:
        return turn
    if turn.id == message_id:
        return replace(
            turn, asked=replace(asked, text=text, files=tuple(file for file in asked.files if file.id in file_ids))
        )
    if asked.quote is not None and asked.quote.message_id == message_id:
        return replace(turn, asked=replace(asked, quote=replace(asked.quote, text=text)))
    return turn


def erased(turn: Turn, message_ids: Collection[int]) -> Turn:
    """The turn after these messages were deleted."""
    if turn.id in message_ids:
        return emptied(turn)
    if turn.asked is not None and turn.asked.quote is not None and turn.asked.quote.message_id in message_ids:
        return replace(turn, asked=replace(turn.asked, quote=None))
    return turn


def emptied(turn: Turn) -> Turn:
    """The turn with nothing left but its place in the tree."""
    return replace(turn, asked=None, answer=None)


def without_person(turn: Turn, person_id: int, channel_id: int | None) -> Turn:
    """The turn after forgetting a member, in one channel or everywhere."""
    if turn.asked is None or channel_id not in (None, turn.key.channel_id):
        return turn
    if turn.asked.author_id == person_id:
        return emptied(turn)
    if turn.asked.quote is not None and turn.asked.quote.author_id == person_id:
        return replace(turn, asked=replace(turn.asked, quote=None))
    return turn


def without_older(turn: Turn, message_id: int) -> Turn:
    """The turn after forgetting everything older than a message."""
    if turn.id < message_id:
        return emptied(turn)
    if turn.asked is not None and turn.asked.quote is not None and turn.asked.quote.message_id < message_id:
        return replace(turn, asked=replace(turn.asked, quote=None))
    return turn
