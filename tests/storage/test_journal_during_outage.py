"""Changes wait in memory during an outage and are written after it."""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import pairwise
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.database import Database, DatabaseOutageError
from bot.storage.journal import Change, Journal
from bot.storage.tables import Persona
from tests.small_disk import fill
from tests.storage.conftest import until
from tests.storage.recording_journal import RecordingJournal, lock, open_journal, see, seen
from tests.storage.server_proxy import ServerProxy


def write_persona(length: int) -> Change:
    async def change(connection: AsyncConnection) -> None:
        await connection.execute(insert(Persona).values(place_id=1, text="x" * length))

    return change


async def test_a_locked_file_is_reported_once_and_written_in_order_later(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_journal(sqlite_url) as journal:
        await journal.write(see(0))
        with lock(sqlite_url):
            await journal.write(see(1))
            assert journal.outage == "database is locked"
            began = time.monotonic()
            for number in range(2, 50):
                await journal.write(see(number))
            assert time.monotonic() - began < 2  # 48 waits for the lock would take 2.4 s
            assert journal.behind == 49
            assert await journal.read(seen) == [0]
        await until(lambda: journal.outage is None)
        assert journal.behind == 0
        assert await journal.read(seen) == list(range(50))
        assert journal.reported == ["database is locked", None]
    of_journal = [record for record in caplog.records if record.name == "bot.storage.journal"]
    assert [(record.levelno, record.getMessage()) for record in of_journal] == [
        (
            logging.ERROR,
            "Database cannot be written, continuing from memory reason=database is locked",
        ),
        (logging.WARNING, "Database can be written again changes=49"),
    ]


async def test_an_outage_releases_the_writers_that_wait(sqlite_url: str) -> None:
    async with open_journal(sqlite_url) as journal:
        with lock(sqlite_url):
            await asyncio.gather(*(journal.write(see(number)) for number in range(3)))
            assert journal.behind == 3
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [0, 1, 2]


async def test_a_second_outage_is_reported_too(sqlite_url: str) -> None:
    async with open_journal(sqlite_url) as journal:
        for number in range(2):
            with lock(sqlite_url):
                await journal.write(see(number))
            await until(lambda: journal.outage is None)
        assert journal.reported == ["database is locked", None] * 2


async def test_a_refused_change_does_not_stop_the_pending_ones(sqlite_url: str) -> None:
    async with open_journal(sqlite_url) as journal:
        with lock(sqlite_url):
            for number in (1, 1, 2):
                await journal.write(see(number))
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [1, 2]


async def test_a_full_disk_is_an_outage(small_disk: Path) -> None:
    async with open_journal(f"sqlite:///{small_disk}/bot.sqlite3") as journal:
        fill(small_disk / "filler")
        await journal.write(write_persona(100_000))
        assert journal.outage is not None
        assert "full" in journal.outage
        (small_disk / "filler").unlink()
        await until(lambda: journal.outage is None)
        assert journal.behind == 0


async def test_a_full_file_is_an_outage(sqlite_url: str) -> None:
    async def allow_no_growth(connection: AsyncConnection) -> None:
        # The limit holds for one connection, which the outage invalidates.
        await connection.exec_driver_sql("PRAGMA max_page_count = 1")

    async with open_journal(sqlite_url) as journal:
        await journal.write(allow_no_growth)
        await journal.write(write_persona(1_000_000))
        await until(lambda: journal.outage is None)
        assert journal.reported == ["database or disk is full", None]
        assert journal.behind == 0


async def test_an_unreachable_server_is_an_outage(postgresql_url: str) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    async with open_journal(proxy.url) as journal:
        await journal.write(see(0))
        await proxy.cut()
        await journal.write(see(1))
        await journal.write(see(2))
        assert "the server cannot be reached" in (journal.outage or "")
        with pytest.raises(DatabaseOutageError):
            await journal.read(seen)
        await proxy.open()
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [0, 1, 2]
        assert len(journal.reported) == 2
    await proxy.cut()


async def test_idle_connections_that_the_server_closed_are_no_outage(postgresql_url: str) -> None:
    async with open_journal(postgresql_url) as journal:
        await journal.write(see(0))
        administrator = await asyncpg.connect(postgresql_url)
        ended = await administrator.fetch(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await administrator.close()
        assert len(ended) >= 1
        await journal.write(see(1))
        assert await journal.read(seen) == [0, 1]
        assert journal.reported == []


async def test_an_unconfirmed_commit_is_retried(postgresql_url: str) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    attempts = 0

    async def change(connection: AsyncConnection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute(text("INSERT INTO seen_messages (id) VALUES (1) ON CONFLICT DO NOTHING"))
        if attempts == 1:
            proxy.fall_silent()

    async with open_journal(proxy.url, server_seconds=0.3) as journal:
        await journal.write(change)
        assert journal.reported == ["the server does not answer"]
        directly = await asyncpg.connect(postgresql_url)
        assert await directly.fetchval("SELECT count(*) FROM seen_messages") == 1
        await directly.close()
        await proxy.cut()
        await proxy.open()
        await until(lambda: journal.outage is None)
        assert attempts == 2
        assert await journal.read(seen) == [1]
    await proxy.cut()


async def test_pauses_double_up_to_the_longest(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    journal = RecordingJournal(database, retry_seconds=(0.02, 0.08))
    attempts: list[float] = []

    async def refused(_connection: AsyncConnection) -> None:
        attempts.append(time.monotonic())
        if len(attempts) < 8:
            raise ConnectionRefusedError

    await journal.write(refused)
    await until(lambda: journal.outage is None)
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    for pause, shortest in zip(pauses, [0.02, 0.04] + [0.08] * 5, strict=True):
        assert pause >= shortest * 0.9
    assert pauses[-1] < 0.02 * 2**6
    await journal.close(1.0)
    await database.close()


async def test_a_listener_that_raises_does_not_stop_the_journal(sqlite_url: str) -> None:
    def fail(_line: str | None) -> None:
        raise LookupError

    database = await Database.open(sqlite_url, lock_seconds=0.05)
    journal = Journal(database, fail, retry_seconds=(0.01, 0.01))
    with lock(sqlite_url):
        await journal.write(see(1))
    await until(lambda: journal.outage is None)
    await journal.write(see(2))
    assert await journal.read(seen) == [1, 2]
    await journal.close(1.0)
    await database.close()


async def test_closing_during_an_outage_retries_at_once(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.05)
    journal = RecordingJournal(database, retry_seconds=(60.0, 60.0))
    with lock(sqlite_url):
        await journal.write(see(1))
    async with asyncio.timeout(5):
        await journal.close(30.0)
    async with database.connect() as connection:
        assert await seen(connection) == [1]
    await database.close()


async def test_closing_logs_how_many_changes_are_lost(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.05)
    journal = RecordingJournal(database)
    with lock(sqlite_url):
        for number in range(3):
            await journal.write(see(number))
        async with asyncio.timeout(5):
            await journal.close(0.2)
    assert caplog.records[-1].getMessage() == (
        "Database not written before shutdown lost_changes=3 reason=database is locked"
    )
    await database.close()
