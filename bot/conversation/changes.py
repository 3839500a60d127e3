"""Changes of turns: edits, deletions and forgetting. Each returns the turn itself if it does not concern it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from bot.conversation.turn import File, Quote, Turn, UserMessage

TurnChange = Callable[[Turn], Turn]


@dataclass(frozen=True, slots=True)
class NewContent:
    """What a message says after an edit.

    Attributes:
        text: without the mention of the bot.
        file_ids: the attachments that it still has.
    """

    text: str
    file_ids: frozenset[int]


_UNKNOWN = NewContent("", frozenset())

Contents: TypeAlias = Mapping[int, NewContent | None]
"""The content of messages that were edited; None for those that were deleted."""


@dataclass(eq=False, slots=True)
class MessageChanges:
    """Edits and deletions of messages, as one change of turns.

    Attributes:
        emptied: turns whose answer was deleted.
        outdated: edited messages that said something else before, as the store knows. A summary cannot tell by itself.
    """

    contents: dict[int, NewContent | None] = field(default_factory=dict)
    emptied: set[int] = field(default_factory=set)
    outdated: set[int] = field(default_factory=set)

    def add(self, contents: Contents, emptied: Collection[int] = (), outdated: Collection[int] = ()) -> None:
        """Add later changes; a deletion is final."""
        for message_id, content in contents.items():
            deleted = message_id in self.contents and self.contents[message_id] is None
            self.contents[message_id] = None if deleted else content
        self.emptied.update(emptied)
        self.outdated.update(outdated)

    @property
    def deletes(self) -> bool:
        """Whether a message was deleted."""
        return None in self.contents.values()

    @property
    def message_ids(self) -> Collection[int]:
        """The messages, and those that asked the turns in `emptied`."""
        return self.contents.keys() | self.emptied

    def concern(self, turn_id: int, asked: UserMessage | None) -> bool:
        """Whether a turn or a question is about one of the messages."""
        quotes = asked.quotes if asked is not None else ()
        return (
            turn_id in self.contents
            or turn_id in self.emptied
            or any(quote.message_id in self.contents for quote in quotes)
        )

    def __call__(self, turn: Turn) -> Turn:
        if turn.id in self.emptied or self._concern_summary(turn):
            return emptied(turn)
        quotes = turn.asked.quotes if turn.asked is not None else ()
        for message_id in (turn.id, *(quote.message_id for quote in quotes)):
            turn = self._changed_by(message_id, turn)
        return turn

    def _concern_summary(self, summary: Turn) -> bool:
        return any(
            covered.turn_id in self.emptied
            or covered.message_id in self.outdated
            or self.contents.get(covered.message_id, _UNKNOWN) is None
            for covered in summary.covers
        )

    def _changed_by(self, message_id: int, turn: Turn) -> Turn:
        if message_id not in self.contents:
            return turn
        content = self.contents[message_id]
        if content is None:
            return erased(turn, (message_id,))
        return edited(turn, message_id, content.text, content.file_ids)


def edited(turn: Turn, message_id: int, text: str, file_ids: Collection[int]) -> Turn:
    """The turn after a message got a new text and kept only these attachments."""
    asked = turn.asked
    if asked is None:
        return turn
    if turn.id == message_id:
        return replace(turn, asked=replace(asked, text=text, files=_kept(asked.files, file_ids)))
    quotes = tuple(
        replace(quote, text=text, files=_kept(quote.files, file_ids)) if quote.message_id == message_id else quote
        for quote in asked.quotes
    )
    return turn if quotes == asked.quotes else replace(turn, asked=replace(asked, quotes=quotes))


def _kept(files: Sequence[File], file_ids: Collection[int]) -> tuple[File, ...]:
    return tuple(file for file in files if file.id in file_ids)


def erased(turn: Turn, message_ids: Collection[int]) -> Turn:
    """The turn after these messages were deleted."""
    if turn.id in message_ids:
        return emptied(turn)
    return _without_quotes(turn, lambda quote: quote.message_id in message_ids)


def _without_quotes(turn: Turn, are_gone: Callable[[Quote], bool]) -> Turn:
    """The turn without these quotes, or emptied if it asks nothing else."""
    if turn.asked is None or not any(map(are_gone, turn.asked.quotes)):
        return turn
    asked = replace(turn.asked, quotes=tuple(quote for quote in turn.asked.quotes if not are_gone(quote)))
    return emptied(turn) if asked.asks_nothing else replace(turn, asked=asked)


def emptied(turn: Turn) -> Turn:
    """The turn with nothing left but its place in the tree."""
    return replace(turn, asked=None, answer=None, covers=())


def without_summary(turn: Turn, turn_ids: Collection[int]) -> Turn:
    """The turn after these turns changed: emptied if it is a summary of one of them."""
    return emptied(turn) if any(covered.turn_id in turn_ids for covered in turn.covers) else turn


def without_channels(turn: Turn, channel_ids: Collection[int]) -> Turn:
    """The turn after these channels were deleted."""
    places = {turn.key.channel_id, *(covered.channel_id for covered in turn.covers)}
    return turn if places.isdisjoint(channel_ids) else emptied(turn)


def without_person(turn: Turn, person_id: int, channel_ids: Collection[int] | None) -> Turn:
    """The turn after forgetting a member, in some channels or everywhere."""

    def is_in_scope(channel_id: int) -> bool:
        return channel_ids is None or channel_id in channel_ids

    if any(each.author_id == person_id and is_in_scope(each.channel_id) for each in turn.covers):
        return emptied(turn)
    if turn.asked is None or not is_in_scope(turn.key.channel_id):
        return turn
    if turn.asked.author_id == person_id:
        return emptied(turn)
    return _without_quotes(turn, lambda quote: quote.author_id == person_id)


def without_older(turn: Turn, message_id: int) -> Turn:
    """The turn after forgetting everything older than a message."""
    if turn.id < message_id or any(covered.message_id < message_id for covered in turn.covers):
        return emptied(turn)
    return _without_quotes(turn, lambda quote: quote.message_id < message_id)
