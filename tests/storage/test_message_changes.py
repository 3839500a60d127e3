"""Edits and deletions of messages: what concerns nothing costs nothing, and nothing else is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from bot.conversation.turn import TextFile
from bot.storage.conversation_store import DatabaseConversationStore
from bot.storage.database import Database
from bot.storage.mode_store import DatabaseModeStore
from bot.storage.storage import Storage
from bot.storage.work_store import DatabaseWorkStore
from tests.storage.conftest import until
from tests.storage.recording_journal import RecordingJournal, lock, open_journal
from tests.storage.stored import DONE, ELSEWHERE, HERE, keep, open_storage, quote, reply_id, storage, turn

__all__ = ["storage"]

MANY = 1_000
STRANGERS = range(5_000, 5_000 + MANY)


@contextmanager
def transactions() -> Iterator[list[str]]:
    """Collect how each transaction in the block begins."""
    begun: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield begun
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def texts(store: DatabaseConversationStore, tip_id: int) -> list[str | None]:
    return [None if each.asked is None else each.asked.text for each in await store.branch(tip_id)]


async def test_messages_that_the_database_has_not_are_looked_up_together_and_nothing_is_written(
    sqlite_url: str,
) -> None:
    async with open_storage(sqlite_url) as storage:
        await keep(storage, turn(10, "Kept"))
        store = storage.conversations
        with lock(sqlite_url):  # any write would begin an outage
            edits = [store.edit(message_id, "Hi", []) for message_id in STRANGERS]
            deletions = [store.erase([message_id]) for message_id in STRANGERS]
            with transactions() as begun:
                concerned = await asyncio.gather(*edits, *deletions, store.erase(STRANGERS))
        assert not any(concerned)
        assert len(begun) < 10
        assert await texts(store, 10) == ["Kept"]


async def test_messages_that_come_one_after_the_other_are_looked_up_together_too(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        with transactions() as begun:
            edits = []
            for message_id in STRANGERS[:200]:
                edits.append(asyncio.create_task(storage.conversations.edit(message_id, "Hi", [])))
                await asyncio.sleep(0.001)
            await asyncio.gather(*edits)
        assert len(begun) < 100


async def test_an_edit_that_changes_no_text_is_not_written(sqlite_url: str) -> None:
    # Discord sends one when it has found the preview of a link.
    async with open_storage(sqlite_url) as storage:
        file = TextFile(5, "a.txt", "a")
        await keep(storage, turn(10, "See", files=[file], quotes=[quote(3, "Long" * 500, files=[file])]))
        with lock(sqlite_url):
            assert await storage.conversations.edit(10, "See", [5, 6]) == set()
            assert await storage.conversations.edit(3, "Long" * 500, [5]) == set()
        assert await storage.conversations.edit(3, "Long" * 500, []) == {3}
        assert await storage.conversations.edit(10, "See", [6]) == {10}


async def test_what_concerns_rows_is_told(storage: Storage) -> None:
    one = turn(10)
    await keep(storage, one, turn(20, after=one, quotes=[quote(3)]))
    store = storage.conversations
    assert await store.edit(10, "Edited", []) == {10}
    assert await store.edit(3, "Edited", []) == {3}
    assert await store.erase([3, 99]) == {3}
    assert await store.erase([reply_id(one), 99]) == {reply_id(one), 10}
    assert await store.erase([10, reply_id(one)]) == set()
    assert await store.replies([10, 20]) == {1020: 20}


async def test_messages_are_reported_before_their_changes_are_committed(storage: Storage) -> None:
    one = turn(10, quotes=[quote(3)])
    await keep(storage, one, turn(20, after=one), turn(30))
    store = storage.conversations
    messages: set[int] = set()
    questions: set[int] = set()

    async def report(message_ids: Collection[int], question_ids: Collection[int]) -> None:
        messages.update(message_ids)
        questions.update(question_ids)
        assert await texts(store, 20) == ["Question 10", "Question 20"]

    store.before_message_changes(report)
    edits = store.edit(30, "Question 30", []), store.edit(20, "Edited", []), store.edit(99, "Unknown", [])
    deletions = store.erase([3, 98]), store.erase([reply_id(one)])
    await asyncio.gather(*edits, *deletions)
    assert (messages, questions) == ({20, 99, 3, reply_id(one)}, {10})
    assert await texts(store, 20) == [None, "Edited"]


async def test_nothing_is_committed_if_its_report_fails(storage: Storage) -> None:
    await keep(storage, turn(10))

    async def fail(_message_ids: Collection[int], _question_ids: Collection[int]) -> None:
        raise RuntimeError("no")

    storage.conversations.before_message_changes(fail)
    with pytest.raises(RuntimeError, match="no"):
        await storage.conversations.erase([10])
    assert await texts(storage.conversations, 10) == ["Question 10"]


async def test_changes_that_come_together_keep_their_order(storage: Storage) -> None:
    one, two = turn(10), turn(20)
    await keep(storage, one, two)
    store = storage.conversations
    await asyncio.gather(
        store.edit(10, "First", []),
        store.edit(20, "Only", []),
        store.edit(10, "Last", []),
        store.erase([20]),
        store.edit(20, "Back again", []),
    )
    assert await texts(store, 10) == ["Last"]
    assert await texts(store, 20) == [None]


async def test_a_change_finds_what_is_written_right_before_it(storage: Storage) -> None:
    store, new = storage.conversations, turn(10)
    remembering = asyncio.create_task(store.remember(10, DONE, new, as_tip=True, past_known=True))
    await asyncio.sleep(0)
    assert await store.edit(10, "Edited", []) == {10}
    await remembering
    assert await texts(store, 10) == ["Edited"]


async def test_many_changes_do_not_hold_other_writes_up(storage: Storage) -> None:
    turns = [turn(10 + number) for number in range(120)]
    await keep(storage, *turns)
    store = storage.conversations
    edits = [asyncio.create_task(store.edit(each.id, "Edited", [])) for each in turns]
    await until(lambda: store.behind)  # the first of them are being written
    await storage.work.accept(5, HERE, 1)
    assert not any(edit.done() for edit in edits[50:])
    await asyncio.gather(*edits)
    assert await texts(store, 129) == ["Edited"]


async def test_channels_without_rows_are_looked_up_together_and_nothing_is_written(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        await keep(storage, turn(10, "Kept"))
        with lock(sqlite_url), transactions() as begun:
            await storage.conversations.erase_channels(STRANGERS)
        assert len(begun) == 1
        await storage.conversations.erase_channels({*STRANGERS, HERE.channel_id})
        assert await storage.conversations.branch(10) == []


def open_stores(journal: RecordingJournal, database: Database) -> Storage:
    return Storage(
        DatabaseConversationStore(journal, lookup_pause_seconds=0.0),
        DatabaseWorkStore(journal),
        DatabaseModeStore(journal),
        journal,
        database,
    )


async def test_an_outage_costs_one_write_for_all_strangers_and_loses_nothing(sqlite_url: str) -> None:
    async with open_journal(sqlite_url) as journal:
        database = await Database.open(sqlite_url)
        storage = open_stores(journal, database)
        store = storage.conversations
        await keep(storage, turn(10), turn(20))
        with lock(sqlite_url):
            await store.edit(10, "Edited", [])
            assert journal.outage is not None
            for message_id in STRANGERS:
                assert await store.erase([message_id]) == {message_id}
            assert journal.behind == 2
            await keep(storage, turn(30, "Asked during the outage"))
            before = journal.behind
            await store.edit(30, "Edited during the outage", [])
            assert await store.erase([reply_id(turn(20))]) == {1020, 20}
            assert journal.behind == before + 1
            await keep(storage, turn(40, key=ELSEWHERE))
            await store.erase_channels([ELSEWHERE.channel_id])
        await until(lambda: journal.outage is None)
        assert await texts(store, 10) == ["Edited"]
        assert await texts(store, 20) == [None]
        assert await texts(store, 30) == ["Edited during the outage"]
        assert await texts(store, 40) == []
        await database.close()


@pytest.mark.parametrize("is_deletion", [False, True])
async def test_a_change_right_before_the_end_is_written(database_url: str, is_deletion: bool) -> None:
    async with open_storage(database_url) as storage:
        await keep(storage, turn(10))
        store = storage.conversations
        last = asyncio.create_task(store.erase([10]) if is_deletion else store.edit(10, "Edited", []))
        await asyncio.sleep(0)
    assert await last == {10}
    async with open_storage(database_url) as storage:
        assert await texts(storage.conversations, 10) == [None if is_deletion else "Edited"]
