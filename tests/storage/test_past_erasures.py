"""What is deleted, edited or forgotten is on record, by ids alone."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from bot.storage.database import Database
from bot.storage.past_erasures import RECORD_DAYS, next_erasure_id, record_erasure
from bot.storage.storage import Storage
from tests.storage.stored import ADA, ELSEWHERE, HERE, everything, keep, reply_id, storage, turn

__all__ = ["storage"]


async def recorded(url: str) -> list[list[object]]:
    """The criteria of all erasures, the oldest first."""
    return [criteria for _, *criteria in sorted((await everything(url))["erasures"])]


async def test_every_kind_is_recorded(storage: Storage, database_url: str) -> None:
    first, second, third = turn(10), turn(20), turn(30, key=ELSEWHERE)
    await keep(storage, first, second, third)
    await storage.conversations.edit(10, "Edited", [])
    await storage.conversations.erase([reply_id(second), 999])
    await storage.conversations.erase_channels([ELSEWHERE.channel_id, 777])
    await storage.conversations.forget(ADA, frozenset({HERE.channel_id}))
    await storage.conversations.forget(ADA, None)
    assert await recorded(database_url) == [
        [[10], None, None],
        [[20, reply_id(second)], None, None],
        [None, None, [ELSEWHERE.channel_id]],
        [None, ADA, [HERE.channel_id]],
        [None, ADA, None],
    ]


async def test_what_concerns_nothing_is_not(storage: Storage, database_url: str) -> None:
    await keep(storage, turn(10, "The same"))
    await storage.conversations.edit(10, "The same", [])
    await storage.conversations.edit(11, "Unknown", [])
    await storage.conversations.erase([12])
    assert await recorded(database_url) == []


async def test_a_record_is_kept_for_a_year(database: Database, database_url: str) -> None:
    now = next_erasure_id()
    day = timedelta(days=1) // timedelta(microseconds=1)
    async with database.begin() as connection:
        await record_erasure(connection, now - (RECORD_DAYS + 1) * day, message_ids=[1])
        await record_erasure(connection, now - (RECORD_DAYS - 1) * day, message_ids=[2])
        await record_erasure(connection, now, message_ids=[3])
    assert await recorded(database_url) == [[[2], None, None], [[3], None, None]]


def test_ids_grow_even_if_the_clock_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert next_erasure_id() < next_erasure_id()
