"""Keeps memory and the store in step while a change of turns reaches both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from bot.conversation.changes import MessageChanges, TurnChange
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

    Most edits and deletions on Discord are of messages that the bot knows nothing of. The store takes its time to find
    out, so until then they are applied to what is read as well; no read is repeated for them.

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
        self._uncommitted_messages = MessageChanges()
        self._being_stored: dict[MessageChanges, None] = {}
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
        self._tell_listeners(change)
        self._change_memory(change)
        self.invalidate_reads()
        ongoing = _Change()
        self._in_store.add(ongoing)
        try:
            result = await stored
        finally:
            self._in_store.remove(ongoing)

        def change_older(turn: Turn) -> Turn:
            return turn if turn.id in ongoing.answered else change(turn)

        self._change_memory(change_older)
        self.invalidate_reads()
        if self._store.behind:
            self._uncommitted.append(change_older)
        return result

    async def apply_to_messages(self, changes: MessageChanges, stored: Awaitable[Collection[int]]) -> None:
        """Apply edits or deletions of messages, as `apply` does.

        Args:
            changes: for memory and the listeners.
            stored: the same changes by the store, as `ConversationStore.edit` and `erase` make them.
        """
        self._tell_listeners(changes)
        self._change_memory(changes)
        self._being_stored[changes] = None
        try:
            known = await stored
        finally:
            del self._being_stored[changes]
        if not known:
            return
        if None in changes.contents.values():
            changes = MessageChanges(changes.contents, changes.emptied.union(known))
        self._change_memory(changes)
        self.invalidate_reads()
        if self._store.behind:
            self._uncommitted_messages.add(changes.contents, changes.emptied)

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

    async def read_branch(self, tip_id: int) -> tuple[list[Turn], Mapping[int, int]]:
        """Read a branch from the store as it will be when the store has caught up.

        Returns:
            the turns, the oldest first, and the messages that answer them, each with its question.
        """
        if not self._store.behind:
            self._forget_uncommitted()
        branch, replies = await self.read(partial(self._branch_and_replies, tip_id))
        messages = MessageChanges()
        for changes in (self._uncommitted_messages, *self._being_stored):
            messages.add(changes.contents, changes.emptied)
        uncommitted: list[TurnChange] = [*self._uncommitted, messages]
        for change in uncommitted:
            branch = [change(turn) for turn in branch]
        return branch, replies

    async def _branch_and_replies(self, tip_id: int) -> tuple[list[Turn], Mapping[int, int]]:
        branch = list(await self._store.branch(tip_id))
        return branch, await self._store.replies([turn.id for turn in branch])

    def _tell_listeners(self, change: TurnChange) -> None:
        for listener in self._listeners:
            listener(change)

    def _change_memory(self, change: TurnChange) -> None:
        message_ids = change.message_ids if isinstance(change, MessageChanges) else None
        for conversation in self._open_conversations():
            if message_ids is not None and not conversation.may_hold(message_ids):
                continue
            for turn in list(conversation.turns.values()):
                changed = change(turn)
                if changed != turn:
                    conversation.put(changed)
                    conversation.cached_by = None

    def _forget_uncommitted(self) -> None:
        if self._uncommitted or self._uncommitted_messages.contents:
            self._uncommitted.clear()
            self._uncommitted_messages = MessageChanges()
            self.invalidate_reads()  # a read that is running may have begun before they were committed
