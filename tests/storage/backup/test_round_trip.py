"""What is backed up comes back as it was, into either database."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert

from bot.errors import ConfigurationError
from bot.storage.address import Address
from bot.storage.backup.archive import Archive
from bot.storage.backup.restoring import Restored, restore
from bot.storage.backup.writing import back_up
from bot.storage.database import Database
from bot.storage.rows import table_of
from bot.storage.tables import AcceptedQuestion, Persona, Table, Turn
from tests.storage.backup.rows import ORIGIN, TURN, awkward_rows, insert_rows, names_in, now_id, place_of
from tests.storage.stored import everything


async def test_every_table_comes_back(database_url: str, tmp_path: Path) -> None:
    rows = awkward_rows()
    assert {each.__tablename__ for each in rows} == set(Table.metadata.tables)
    await insert_rows(database_url, rows)
    before = await everything(database_url)
    place = place_of(database_url, tmp_path / "bot")
    manifest = await back_up(place.database, tmp_path / "backup.zip", ORIGIN)
    assert manifest.rows == sum(map(len, rows.values()))
    await insert_rows(database_url, {Persona: [{"place_id": 99, "text": "Since"}]})
    assert await restore(place, tmp_path / "backup.zip") == Restored(next(place.backups.glob("before-restore-*")))
    assert await everything(database_url) == before


async def test_it_moves_between_the_databases(sqlite_url: str, postgresql_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, awkward_rows())
    before = await everything(sqlite_url)
    sqlite, postgresql = place_of(sqlite_url, tmp_path / "a"), place_of(postgresql_url, tmp_path / "b")
    await back_up(sqlite.database, tmp_path / "there.zip", ORIGIN)
    assert await restore(postgresql, tmp_path / "there.zip") == Restored(None)
    assert await everything(postgresql_url) == before
    await back_up(postgresql.database, tmp_path / "back.zip", ORIGIN)
    await insert_rows(sqlite_url, {Persona: [{"place_id": 99, "text": "Since"}]})
    await restore(sqlite, tmp_path / "back.zip")
    assert await everything(sqlite_url) == before


async def test_the_manifest_says_where_it_is_from(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, awkward_rows())
    written = await back_up(Address.parse(sqlite_url), tmp_path / "backup.zip", ORIGIN)
    with Archive.open(tmp_path / "backup.zip") as archive:
        assert archive.manifest == written
        assert archive.manifest.origin == ORIGIN
    assert (tmp_path / "backup.zip").stat().st_mode & 0o777 == 0o600


async def test_an_interactions_token_is_left_out(database_url: str, tmp_path: Path) -> None:
    accepted = awkward_rows()[AcceptedQuestion][0]
    asked = accepted | {"message_id": now_id() + 1, "interaction": {"token": "TOKEN-OF-AN-INTERACTION", "target": None}}
    await insert_rows(database_url, {AcceptedQuestion: [accepted, asked]})
    place = place_of(database_url, tmp_path / "bot")
    manifest = await back_up(place.database, tmp_path / "backup.zip", ORIGIN)
    assert (manifest.left_out, manifest.tables["accepted_questions"].rows) == (1, 1)
    with Archive.open(tmp_path / "backup.zip") as archive:
        assert "TOKEN" not in str(list(archive.rows("accepted_questions")))


async def test_a_backup_is_of_one_state(database_url: str, tmp_path: Path) -> None:
    """Each write adds to the first table that is copied and to the last one."""
    first, last = min(Table.metadata.tables), max(Table.metadata.tables)
    turns = [{**TURN, "id": number} for number in range(1, 5001)]
    accepted = [awkward_rows()[AcceptedQuestion][0] | {"message_id": number} for number in range(1, 5001)]
    await insert_rows(database_url, {AcceptedQuestion: accepted, Turn: turns})
    backup = asyncio.create_task(back_up(Address.parse(database_url), tmp_path / "backup.zip", ORIGIN))
    database, written = await Database.open(database_url), 5000
    while not backup.done():
        written += 1
        async with database.begin() as connection:
            await connection.execute(insert(table_of(AcceptedQuestion)), [accepted[0] | {"message_id": written}])
            await connection.execute(insert(table_of(Turn)), [{**TURN, "id": written}])
    await database.close()
    tables = (await backup).tables
    assert tables[first].rows == tables[last].rows < written


async def test_a_missing_database_is_not_created(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no database"):
        await back_up(Address.parse(sqlite_url), tmp_path / "backup.zip", ORIGIN)
    assert names_in(tmp_path) == []


async def test_an_empty_database_is_no_backup(postgresql_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is empty; there is nothing to back up"):
        await back_up(Address.parse(postgresql_url), tmp_path / "backup.zip", ORIGIN)
    assert names_in(tmp_path) == []
