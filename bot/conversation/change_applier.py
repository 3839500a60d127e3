"""Keeps memory and the store in step while a change of turns reaches both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bot.conversation.changes import TurnChange
from bot.conversation.store import ConversationStore
from bot.conversation.tree import Conversation
from bot.conversation.turn import Turn

Result = TypeVar("Result")


@dataclass(eq=False, slots=True)
class _Change:
    """A change that the store is making.

    Attributes:
        answered: the turns that were remembered since it began; it does not concern them.
    """

    answered: set[int] = field(default_factory=set)


class ChangeApplier:
    """Applies changes of turns to memory and to the store.

    Memory holds some of the turns, the store holds all of them, and a turn can move from the store into memory while
    the store is still making the change. So every change is applied to memory twice: before the store makes it, and
    after.

    Example: Ada deletes her message 7, whose turn is in the store alone.

    1. `apply` changes memory. Turn 7 is not there, so nothing happens.
    2. `apply` starts the deletion in the store. Before it is committed, Grace replies to turn 7, and her question
       loads the branch: turn 7 comes into memory, undeleted.
    3. The store commits. Only now turn 7 is gone for every later read.
    4. `apply` changes memory again, and turn 7 is gone there too.

    The second time spares the turns that were answered in between: if Ada has the bot forget her and asks something
    new at once, the store writes the new turn after the deletion and keeps it, so memory must keep it too.

    During an outage of the database, step 3 happens later. Until then the change is also applied to everything that
    is read from the store.

    Args:
        store: makes the same changes for good.
        open_conversations: the conversations in memory.
    """

    def __init__(self, store: ConversationStore, open_conversations: Callable[[], Iterable[Conversation]]) -> None:
        self._store = store
        self._open_conversations = open_conversations
        self._listeners: list[Callable[[TurnChange], None]] = []
        self._in_store: set[_Change] = set()
        self._uncommitted: list[TurnChange] = []
        self._generation = 0

    def listen(self, listener: Callable[[TurnChange], None]) -> None:
        """Pass every change to a listener too, for questions that are not turns yet."""
        self._listeners.append(listener)

    def answered(self, turn_id: int) -> None:
        """Exempt a new turn from the changes that the store is making."""
        for change in self._in_store:
            change.answered.add(turn_id)

    async def apply(self, change: TurnChange, stored: Awaitable[Result]) -> Result:
        """Apply a change to memory, wait until the store has made it, and apply it to memory again.

        Args:
            change: for memory and the listeners.
            stored: the same change by the store; returns at once during an outage.
        """
        for listener in self._listeners:
            listener(change)
        self._change_memory(change)
        ongoing = _Change()
        self._in_store.add(ongoing)
        try:
            result = await stored
        finally:
            self._in_store.remove(ongoing)

        def change_older(turn: Turn) -> Turn:
            return turn if turn.id in ongoing.answered else change(turn)

        self._change_memory(change_older)
        if self._store.behind:
            self._uncommitted.append(change_older)
        return result

    def invalidate_reads(self) -> None:
        """Repeat every running `read`: what it returns may be out of date."""
        self._generation += 1

    async def read(self, read: Callable[[], Awaitable[Result]]) -> Result:
        """Read from the store, again if anything changed meanwhile."""
        while True:
            generation = self._generation
            result = await read()
            if generation == self._generation:
                return result

    async def read_branch(self, tip_id: int) -> list[Turn]:
        """Read a branch from the store as it will be when the store has caught up."""
        if not self._store.behind:
            self._uncommitted.clear()
        branch = list(await self.read(partial(self._store.branch, tip_id)))
        for change in self._uncommitted:
            branch = [change(turn) for turn in branch]
        return branch

    def _change_memory(self, change: TurnChange) -> None:
        self.invalidate_reads()
        for conversation in self._open_conversations():
            for turn in list(conversation.turns.values()):
                changed = change(turn)
                if changed != turn:
                    conversation.turns[turn.id] = changed
                    conversation.cached_by = None
