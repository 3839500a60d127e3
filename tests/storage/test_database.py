"""The two kinds of transaction, and which errors are outages."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select, text
from sqlalchemy.exc import IntegrityError

from bot.storage.database import Database, DatabaseOutageError
from bot.storage.tables import Persona, SeenMessage
from tests.storage.server_proxy import ServerProxy

SECRET = "hunter2"


async def see(database: Database, message_id: int) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(SeenMessage).values(id=message_id))


async def seen(database: Database) -> list[int]:
    async with database.connect() as connection:
        return list((await connection.execute(select(SeenMessage.id).order_by(SeenMessage.id))).scalars())


async def test_a_write_survives_reopening(database: Database, database_url: str) -> None:
    await see(database, 2**63 - 1)
    await database.close()
    again = await Database.open(database_url)
    assert await seen(again) == [2**63 - 1]
    await again.close()


async def test_a_block_that_raises_is_rolled_back(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.begin() as connection:
            await connection.execute(insert(SeenMessage).values(id=1))
            raise LookupError

    with pytest.raises(LookupError):
        await write_and_fail()
    assert await seen(database) == []


async def test_a_read_sees_one_state_and_does_not_block_a_write(database: Database) -> None:
    await see(database, 1)
    async with database.connect() as connection:
        assert len((await connection.execute(select(SeenMessage.id))).all()) == 1
        await see(database, 2)
        assert len((await connection.execute(select(SeenMessage.id))).all()) == 1
    assert await seen(database) == [1, 2]


async def test_an_error_of_the_change_itself_is_raised_unchanged(database: Database) -> None:
    await see(database, 1)
    with pytest.raises(IntegrityError):
        await see(database, 1)


async def test_errors_do_not_contain_members_texts(database: Database) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(Persona).values(place_id=1, text="be nice"))
    with pytest.raises(IntegrityError) as raised:
        async with database.begin() as connection:
            await connection.execute(insert(Persona).values(place_id=1, text=SECRET))
    assert SECRET not in str(raised.value)


async def test_writes_wait_for_each_other(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, lock_seconds=5.0)

    async def read_then_write() -> None:
        async with database.begin() as connection:
            count = len((await connection.execute(select(SeenMessage.id))).all())
            await connection.execute(insert(SeenMessage).values(id=count))

    await asyncio.gather(*(read_then_write() for _ in range(5)))
    assert await seen(database) == [0, 1, 2, 3, 4]
    await database.close()


async def test_a_lock_becomes_an_outage_without_blocking_the_event_loop(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.3)
    other = sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    with pytest.raises(DatabaseOutageError, match=r"^database is locked$"):
        await see(database, 1)
    assert time.monotonic() - began >= 0.3
    ticking.cancel()
    assert ticks >= 5  # a blocked event loop would tick once
    other.execute("COMMIT")
    other.close()
    await see(database, 1)
    await database.close()


async def test_deleted_text_leaves_the_files(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    folder = Path(make_url(sqlite_url).database or "").parent

    def is_in_files() -> bool:
        return any(SECRET.encode() in file.read_bytes() for file in folder.iterdir())

    async with database.begin() as connection:
        await connection.execute(insert(Persona).values(place_id=1, text=SECRET * 1000))
    async with database.begin() as connection:
        await connection.execute(text("DELETE FROM personas"))
    assert is_in_files()
    await database.purge_leftovers()
    assert not is_in_files()
    await database.close()


async def test_a_log_in_use_cannot_be_purged(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url, lock_seconds=0.1)
    await see(database, 1)
    async with database.connect() as connection:
        await connection.execute(select(SeenMessage.id))
        await see(database, 2)
        with pytest.raises(DatabaseOutageError, match="deleted text is still in"):
            await database.purge_leftovers()
    await database.purge_leftovers()
    await database.close()


async def test_a_postgresql_server_needs_no_purge(postgresql_url: str) -> None:
    database = await Database.open(postgresql_url)
    await database.purge_leftovers()
    await database.close()


async def test_the_long_forms_of_an_address_work(postgresql_url: str, sqlite_url: str) -> None:
    for url in (
        sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"),
        postgresql_url.replace("postgresql:", "postgresql+asyncpg:"),
        postgresql_url.replace("postgresql:", "postgres:") + "?sslmode=disable",
    ):
        await (await Database.open(url)).close()


async def test_a_broken_connection_is_an_outage_and_the_next_one_works(postgresql_url: str) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    database = await Database.open(proxy.url, server_seconds=5.0)

    async def write_while_it_breaks() -> None:
        async with database.begin() as connection:
            await connection.execute(insert(SeenMessage).values(id=1))
            await proxy.cut()
            await connection.execute(insert(SeenMessage).values(id=2))

    with pytest.raises(DatabaseOutageError):
        await write_while_it_breaks()
    with pytest.raises(DatabaseOutageError, match="the server cannot be reached"):
        await see(database, 3)
    await proxy.open()
    await see(database, 4)
    assert await seen(database) == [4]
    await database.close()
    await proxy.cut()


async def test_a_silent_connection_is_an_outage_after_the_time_limit(postgresql_url: str) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    database = await Database.open(proxy.url, server_seconds=0.3)
    began = time.monotonic()

    async def write_in_silence() -> None:
        async with database.begin() as connection:
            await connection.execute(insert(SeenMessage).values(id=1))
            proxy.fall_silent()
            await connection.execute(insert(SeenMessage).values(id=2))

    with pytest.raises(DatabaseOutageError, match="does not answer"):
        await write_in_silence()
    assert time.monotonic() - began < 5
    await proxy.cut()
    await database.close()
