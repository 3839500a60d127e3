"""Keeps memory and the store in step while a change of turns reaches both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

from bot.conversation.changes import Contents, MessageChanges, TurnChange, without_summary
from bot.conversation.erasures import Erasures, MakeErasure
from bot.conversation.store import ConversationStore
from bot.conversation.tree import Conversation
from bot.conversation.turn import ConversationKey, Turn
from bot.engine.interface import Erasure

Result = TypeVar("Result")
Listener: TypeAlias = Callable[[TurnChange], bool]
"""Gets a change; returns whether it changed a question that is being answered."""


@dataclass(eq=False, slots=True)
class _Ongoing:
    """A change that the store is making.

    Attributes:
        answered: the turns that were remembered since it began; it does not concern them.
    """

    change: TurnChange
    answered: set[int] = field(default_factory=set)

    def __call__(self, turn: Turn) -> Turn:
        return turn if turn.id in self.answered else self.change(turn)


class ChangeApplier:
    """Applies changes of turns to memory, to the engine's caches and to the store.

    Memory holds some of the turns, the store holds all of them, and a turn can move from the store into memory while
    the store is still making the change. So a change is applied to memory at once, and to everything that is read from
    the store until the store has made it.

    Example: Ada deletes her message 7, whose turn is in the store alone.

    1. `apply` changes memory. Turn 7 is not there, so nothing happens.
    2. `apply` has the caches erase the words, and starts the deletion in the store.
    3. Before that is committed, Grace replies to turn 7, and her question loads the branch: turn 7 comes into memory,
       but erased.
    4. The store commits. Only now turn 7 is gone for every later read.

    Turns that were answered after step 1 are spared: if Ada has the bot forget her and asks something new at once, the
    store writes the new turn after the deletion and keeps it, so memory must keep it too.

    During an outage of the database, step 4 happens later. Until then the change is also applied to everything that
    is read from the store.

    Most edits and deletions on Discord are of messages that the bot knows nothing of. The store takes its time to find
    out, so until then they are applied to what is read as well; no read is repeated for them.

    The caches erase before the store commits, so that no crash leaves them what the store has forgotten. Deletions and
    forgetting reach them at once, and so do edits that change something in memory or a question that is being answered.
    Any other edit waits for the store's lookup: Discord reports an edit for the preview of a link too, which must not
    cost a conversation its cache. That lookup also finds which question a deleted message answered long ago.

    Args:
        store: makes the same changes for good.
        open_conversations: the conversations in memory.

    Attributes:
        erasures: tell the caches.
    """

    def __init__(self, store: ConversationStore, open_conversations: Callable[[], Iterable[Conversation]]) -> None:
        self._store = store
        self._open_conversations = open_conversations
        self.erasures = Erasures()
        self._listeners: list[Listener] = []
        self._in_store: dict[_Ongoing, None] = {}
        self._uncommitted: list[TurnChange] = []
        self._uncommitted_messages = MessageChanges()
        self._being_stored: dict[MessageChanges, frozenset[int]] = {}  # with the messages that the caches have erased
        self._generation = 0
        store.before_message_changes(self._erase_found)

    def listen(self, listener: Listener) -> None:
        """Pass every change to a listener too, for questions that are not turns yet."""
        self._listeners.append(listener)

    def answered(self, turn_id: int) -> None:
        """Exempt a new turn from the changes that the store is making."""
        for change in self._in_store:
            change.answered.add(turn_id)

    async def apply(self, change: TurnChange, erasure: MakeErasure, stored: Awaitable[Result]) -> Result:
        """Apply a change everywhere, and wait until the store has made it.

        Args:
            change: for memory and the listeners.
            erasure: the same change for the caches.
            stored: the same change by the store; returns at once during an outage.
        """
        self._tell_listeners(change)
        self._change_memory(change)
        self.invalidate_reads()
        ongoing = _Ongoing(change)
        self._in_store[ongoing] = None
        try:
            await self.erasures.add(erasure)
            result = await stored
        finally:
            del self._in_store[ongoing]
        self.invalidate_reads()
        if self._store.behind:
            self._uncommitted.append(ongoing)
        return result

    async def apply_to_messages(
        self, contents: Contents, stored: Awaitable[Collection[int]], emptied: Collection[int] = ()
    ) -> None:
        """Apply edits or deletions of messages, as `apply` does.

        Args:
            contents: for memory and the listeners.
            stored: the same changes by the store, as `ConversationStore.edit` and `erase` make them.
            emptied: the questions whose answers were deleted, as far as memory knows them.
        """
        changes = MessageChanges(dict(contents), set(emptied))
        is_known = self._tell_listeners(changes) | self._change_memory(changes)
        self._being_stored[changes] = frozenset()
        try:
            if changes.deletes or is_known:
                message_ids = frozenset(changes.message_ids)
                await self.erasures.add(partial(Erasure, message_ids=message_ids))
                self._being_stored[changes] = message_ids
            known = await stored
        finally:
            del self._being_stored[changes]
        if not known:
            return
        if changes.deletes:
            changes = MessageChanges(changes.contents, changes.emptied.union(known))
        else:
            changes = MessageChanges(changes.contents, changes.emptied, set(known))
        self._change_memory(changes)
        self.invalidate_reads()
        if self._store.behind:
            self._uncommitted_messages.add(changes.contents, changes.emptied, changes.outdated)

    async def _erase_found(self, message_ids: Collection[int], question_ids: Collection[int]) -> None:
        """Have the caches erase what the store's lookup adds, and memory what it did not know to be answered."""
        for changes in (self._uncommitted_messages, *self._being_stored):
            if changes.deletes:
                changes.emptied.update(question_ids)
        self._change_memory(MessageChanges(emptied=set(question_ids)))
        added = frozenset(message_ids).union(question_ids).difference(*self._being_stored.values())
        if added:
            await self.erasures.add(partial(Erasure, message_ids=added))

    def answer_changed(self, turn_id: int) -> None:
        """Note that memory has another answer of a turn than before."""
        self._empty_summaries({turn_id})
        self.invalidate_reads()

    def _empty_summaries(self, turn_ids: Collection[int]) -> None:
        """Empty the summaries in memory that cover one of these turns, which have changed."""
        for conversation in self._open_conversations():
            for turn in [each for each in conversation.turns.values() if each.is_summary]:
                if (changed := without_summary(turn, turn_ids)) != turn:
                    conversation.put(changed)
                    conversation.cached_by = None

    def may_change(self, summary: Turn) -> bool:
        """Whether the store is still finding out if an edit changes what a summary covers."""
        edited = {message_id for changes in self._being_stored for message_id in changes.contents}
        return any(covered.message_id in edited for covered in summary.covers)

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
        return self._caught_up(branch), replies

    async def read_turns_by(self, person_id: int, keys: Collection[ConversationKey]) -> list[Turn]:
        """Read what a member asked in some conversations as the store will have it when it has caught up."""
        if not self._store.behind:
            self._forget_uncommitted()
        return self._caught_up(await self.read(partial(self._store.turns_by, person_id, keys)))

    def _caught_up(self, stored: Sequence[Turn]) -> list[Turn]:
        """Turns with the changes that the store has not made yet."""
        messages = MessageChanges()
        for changes in (self._uncommitted_messages, *self._being_stored):
            messages.add(changes.contents, changes.emptied, changes.outdated)
        uncommitted: list[TurnChange] = [*self._uncommitted, *self._in_store, messages]
        changed = list(stored)
        for change in uncommitted:
            changed = [change(turn) for turn in changed]
        changed_ids = {turn.id for turn, before in zip(changed, stored, strict=True) if turn != before}
        return [without_summary(turn, changed_ids) for turn in changed]

    async def _branch_and_replies(self, tip_id: int) -> tuple[list[Turn], Mapping[int, int]]:
        branch = list(await self._store.branch(tip_id))
        return branch, await self._store.replies([turn.id for turn in branch])

    def _tell_listeners(self, change: TurnChange) -> bool:
        """Return whether a question that is being answered has changed."""
        changed = [listener(change) for listener in self._listeners]
        return any(changed)

    def _change_memory(self, change: TurnChange) -> bool:
        """Return whether a turn has changed."""
        changed_ids = set()
        message_ids = change.message_ids if isinstance(change, MessageChanges) else None
        for conversation in self._open_conversations():
            if message_ids is not None and not conversation.may_hold(message_ids):
                continue
            for turn in list(conversation.turns.values()):
                changed = change(turn)
                if changed != turn:
                    conversation.put(changed)
                    conversation.cached_by = None
                    changed_ids.add(turn.id)
        if changed_ids:
            self._empty_summaries(changed_ids)
        return bool(changed_ids)

    def _forget_uncommitted(self) -> None:
        if self._uncommitted or self._uncommitted_messages.contents:
            self._uncommitted.clear()
            self._uncommitted_messages = MessageChanges()
            self.invalidate_reads()  # a read that is running may have begun before they were committed
