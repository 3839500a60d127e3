"""What happens to a restore, and around it, while it is at work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import func, select

from bot.storage.backup import writing
from bot.storage.backup.manifest import Manifest
from bot.storage.backup.restoring import Restored, restore
from bot.storage.backup.writing import back_up
from bot.storage.database import Database
from bot.storage.tables import Persona
from tests.storage.backup.rows import ORIGIN, awkward_rows, insert_rows, place_of
from tests.storage.backup.test_restoring import backed_up


async def test_who_stops_a_restore_after_it_is_committed_reads_that_it_is_restored(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_rows(sqlite_url, awkward_rows())
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    committed = asyncio.Event()

    async def rewrite(_: Database) -> None:
        committed.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(Database, "rewrite", rewrite)
    restoring = asyncio.create_task(restore(place, path))
    await committed.wait()
    restoring.cancel()
    assert isinstance(await restoring, Restored)


async def test_a_backup_during_a_restore_is_whole(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_rows(database_url, awkward_rows())
    path, place = await backed_up(database_url, tmp_path), place_of(database_url, tmp_path / "bot")
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def write_late(*arguments: Any) -> Manifest:
        if not began.is_set():  # the other one is the restore's own
            began.set()
            await arguments[0].scalar(select(func.count()).select_from(Persona))  # it sees a state now
            await goes_on.wait()
        return await write(*arguments)

    write = writing._write
    monkeypatch.setattr(writing, "_write", write_late)
    second = asyncio.create_task(back_up(place.database, tmp_path / "second.zip", ORIGIN))
    await began.wait()
    restoring = asyncio.create_task(restore(place, path))
    await until_done_or_waiting(restoring, database_url)
    goes_on.set()
    await restoring
    assert (await second).rows == sum(map(len, awkward_rows().values()))


async def until_done_or_waiting(task: asyncio.Task[Any], url: str) -> None:
    """Wait until a task is done, or waits for a lock of the server."""
    async with asyncio.timeout(20):
        while not task.done() and not await is_waited_in(url):  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.02)


async def is_waited_in(url: str) -> bool:
    if url.startswith("sqlite"):
        return False
    connection = await asyncpg.connect(url)
    try:
        waiting = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        return bool(await connection.fetchval(f"{waiting} WHERE NOT granted AND datname = current_database()"))
    finally:
        await connection.close()
