"""A change reaches every turn in memory, also one that comes from the store while the change is being stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from bot.conversation.change_applier import ChangeApplier
from bot.conversation.changes import emptied
from bot.conversation.tree import Conversation
from bot.conversation.turn import Turn
from bot.engine.interface import Erasure
from bot.storage.conversation_store import DatabaseConversationStore
from tests.conversation.memory import HERE, Memory, asked, turn

ALL = partial(Erasure, before_id=2**63)


class Store(DatabaseConversationStore):
    """A store with one turn, and an outage if a test says so."""

    def __init__(self, memory: Memory, stored: Turn) -> None:
        super().__init__(memory.journal)
        self.stored = stored
        self.has_outage = False

    @property
    def behind(self) -> bool:
        return self.has_outage

    async def branch(self, tip_id: int) -> Sequence[Turn]:
        return [self.stored]


@pytest.fixture
def conversation() -> Conversation:
    return Conversation(HERE)


@pytest.fixture
def store(memory: Memory) -> Store:
    return Store(memory, turn(asked("Hello")))


@pytest.fixture
def applier(store: Store, conversation: Conversation) -> ChangeApplier:
    return ChangeApplier(store, lambda: [conversation])


async def test_a_turn_that_comes_into_memory_before_the_store_commits_is_changed(
    applier: ChangeApplier, store: Store, conversation: Conversation
) -> None:
    committed = asyncio.Event()
    applying = asyncio.create_task(applier.apply(emptied, ALL, committed.wait()))
    await asyncio.sleep(0)
    ((loaded,), _) = await applier.read_branch(store.stored.id)
    conversation.turns[loaded.id] = loaded
    committed.set()
    await applying
    assert conversation.turns == {loaded.id: emptied(loaded)}


async def test_a_turn_that_is_answered_before_the_store_commits_is_spared(
    applier: ChangeApplier, conversation: Conversation
) -> None:
    committed = asyncio.Event()
    applying = asyncio.create_task(applier.apply(emptied, ALL, committed.wait()))
    await asyncio.sleep(0)
    new = turn(asked("Something new"))
    conversation.turns[new.id] = new
    applier.answered(new.id)
    committed.set()
    await applying
    assert conversation.turns == {new.id: new}
    await applier.apply(emptied, ALL, asyncio.sleep(0))
    assert conversation.turns == {new.id: emptied(new)}


async def test_reads_during_an_outage_see_the_changes_that_the_store_has_not_made(
    applier: ChangeApplier, store: Store
) -> None:
    store.has_outage = True
    await applier.apply(emptied, ALL, asyncio.sleep(0))
    assert await applier.read_branch(store.stored.id) == ([emptied(store.stored)], {})
    store.has_outage = False
    assert await applier.read_branch(store.stored.id) == ([store.stored], {})


async def test_a_read_is_repeated_if_something_changes_meanwhile(applier: ChangeApplier) -> None:
    reads = 0

    async def read() -> int:
        nonlocal reads
        reads += 1
        if reads == 1:
            await applier.apply(emptied, ALL, asyncio.sleep(0))
        return reads

    assert await applier.read(read) == 2
