"""What happens to changes while the database is in outage."""

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
from tests.storage.diary import Diary, lock, open_diary, see, seen
from tests.storage.server_connection import LineToServer


def write_persona(length: int) -> Change:
    async def change(connection: AsyncConnection) -> None:
        await connection.execute(insert(Persona).values(place_id=1, text="x" * length))

    return change


async def test_a_locked_file_is_told_once_and_made_up_for_in_order(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_diary(sqlite_url) as journal:
        await journal.write(see(0))
        with lock(sqlite_url):
            await journal.write(see(1))
            assert journal.outage == "database is locked"
            began = time.monotonic()
            for number in range(2, 50):
                await journal.write(see(number))
            assert time.monotonic() - began < 1  # not 48 times the wait for a lock
            assert journal.behind == 49
            assert await journal.read(seen) == [0]
        await until(lambda: journal.outage is None)
        assert journal.behind == 0
        assert await journal.read(seen) == list(range(50))
        assert journal.told == ["database is locked", None]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (
            logging.ERROR,
            "The database cannot be written (database is locked); the bot goes on from memory and tries again.",
        ),
        (logging.WARNING, "The database can be written again; changes made up for: 49."),
    ]


async def test_a_writer_who_waits_when_trouble_begins_is_let_go(sqlite_url: str) -> None:
    async with open_diary(sqlite_url) as journal:
        with lock(sqlite_url):
            await asyncio.gather(*(journal.write(see(number)) for number in range(3)))
            assert journal.behind == 3
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [0, 1, 2]


async def test_trouble_comes_again(sqlite_url: str) -> None:
    async with open_diary(sqlite_url) as journal:
        for number in range(2):
            with lock(sqlite_url):
                await journal.write(see(number))
            await until(lambda: journal.outage is None)
        assert journal.told == ["database is locked", None] * 2


async def test_a_wrong_change_among_the_kept_does_not_stop_the_rest(sqlite_url: str) -> None:
    async with open_diary(sqlite_url) as journal:
        with lock(sqlite_url):
            for number in (1, 1, 2):
                await journal.write(see(number))
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [1, 2]


async def test_a_full_disk_is_told_and_waited_for(small_disk: Path) -> None:
    async with open_diary(f"sqlite:///{small_disk}/bot.sqlite3") as journal:
        fill(small_disk / "filler")
        await journal.write(write_persona(100_000))
        assert journal.outage is not None
        assert "full" in journal.outage
        (small_disk / "filler").unlink()
        await until(lambda: journal.outage is None)
        assert journal.behind == 0


async def test_a_full_file_is_told_and_waited_for(sqlite_url: str) -> None:
    async def allow_no_growth(connection: AsyncConnection) -> None:
        # It holds for one connection, which is given up when the trouble comes.
        await connection.exec_driver_sql("PRAGMA max_page_count = 1")

    async with open_diary(sqlite_url) as journal:
        await journal.write(allow_no_growth)
        await journal.write(write_persona(1_000_000))
        await until(lambda: journal.outage is None)
        assert journal.told == ["database or disk is full", None]
        assert journal.behind == 0


async def test_a_server_that_goes_away_is_told_and_waited_for(postgresql_url: str) -> None:
    line = LineToServer(postgresql_url)
    await line.open()
    async with open_diary(line.url) as journal:
        await journal.write(see(0))
        await line.cut()
        await journal.write(see(1))
        await journal.write(see(2))
        assert "the server cannot be reached" in (journal.outage or "")
        with pytest.raises(DatabaseOutageError):
            await journal.read(seen)
        await line.open()
        await until(lambda: journal.outage is None)
        assert await journal.read(seen) == [0, 1, 2]
        assert len(journal.told) == 2
    await line.cut()


async def test_connections_that_the_server_ended_while_they_were_idle_are_no_trouble(postgresql_url: str) -> None:
    async with open_diary(postgresql_url) as journal:
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
        assert journal.told == []


async def test_a_change_whose_commit_was_not_confirmed_is_tried_again(postgresql_url: str) -> None:
    line = LineToServer(postgresql_url)
    await line.open()
    attempts = 0

    async def change(connection: AsyncConnection) -> None:
        nonlocal attempts
        attempts += 1
        await connection.execute(text("INSERT INTO seen_messages (id) VALUES (1) ON CONFLICT DO NOTHING"))
        if attempts == 1:
            line.fall_silent()

    async with open_diary(line.url, server_seconds=0.3) as journal:
        await journal.write(change)
        assert journal.told == ["the server does not answer"]
        directly = await asyncpg.connect(postgresql_url)
        assert await directly.fetchval("SELECT count(*) FROM seen_messages") == 1
        await directly.close()
        await line.cut()
        await line.open()
        await until(lambda: journal.outage is None)
        assert attempts == 2
        assert await journal.read(seen) == [1]
    await line.cut()


async def test_pauses_grow_up_to_the_longest(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    journal = Diary(database, retry_seconds=(0.02, 0.08))
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


async def test_somebody_who_fails_to_hear_of_trouble_stops_nothing(sqlite_url: str) -> None:
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


async def test_closing_in_trouble_does_not_wait_for_the_next_attempt(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.05)
    journal = Diary(database, retry_seconds=(60.0, 60.0))
    with lock(sqlite_url):
        await journal.write(see(1))
    async with asyncio.timeout(5):
        await journal.close(30.0)
    async with database.connect() as connection:
        assert await seen(connection) == [1]
    await database.close()


async def test_closing_tells_what_is_lost(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.05)
    journal = Diary(database)
    with lock(sqlite_url):
        for number in range(3):
            await journal.write(see(number))
        async with asyncio.timeout(5):
            await journal.close(0.2)
    assert caplog.records[-1].getMessage() == (
        "The database could not be written before the end (database is locked); changes that are lost: 3."
    )
    await database.close()
