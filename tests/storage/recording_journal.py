"""A journal that records its reports, and changes to write with it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import insert, make_url, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.database import Database
from bot.storage.journal import Change, Journal
from bot.storage.tables import SeenMessage


class RecordingJournal(Journal):
    """A journal that records what it reports."""

    def __init__(self, database: Database, retry_seconds: tuple[float, float] = (0.01, 0.05)) -> None:
        self.reported: list[str | None] = []
        super().__init__(database, self.reported.append, retry_seconds)


@asynccontextmanager
async def open_journal(url: str, **limits: float) -> AsyncIterator[RecordingJournal]:
    options: dict[str, Any] = {"lock_seconds": 0.05, "server_seconds": 1.0, **limits}
    database = await Database.open(url, **options)
    journal = RecordingJournal(database)
    yield journal
    await journal.close(5.0)
    await database.close()


@contextmanager
def lock(sqlite_url: str) -> Iterator[sqlite3.Connection]:
    """Lock the file from another connection, until that commits or the block ends."""
    other = sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


def see(message_id: int) -> Change:
    async def change(connection: AsyncConnection) -> None:
        await connection.execute(insert(SeenMessage).values(id=message_id))

    return change


async def seen(connection: AsyncConnection) -> list[int]:
    return list((await connection.execute(select(SeenMessage.id).order_by(SeenMessage.id))).scalars())
