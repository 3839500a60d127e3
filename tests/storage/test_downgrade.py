"""The newest migration can be taken back, and an older bot's rows survive both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from bot.errors import ConfigurationError
from bot.storage import migrations
from bot.storage.backup.downgrading import downgrade
from bot.storage.backup.schema import tables_of
from bot.storage.bot_lock import bot_lock
from bot.storage.database import Database
from bot.storage.tables import PastErasure
from tests.storage.backup.rows import awkward_rows, insert_rows, place_of
from tests.storage.stored import Rows, everything


async def tables_in(url: str, folder: Path) -> dict[str, set[str]]:
    """The columns of each table, as they are."""
    database = Database.unmigrated(place_of(url, folder).database)
    async with database.connect() as connection:
        inspector = await connection.run_sync(lambda plain: inspect(plain))
        names = await connection.run_sync(lambda _: inspector.get_table_names())
        columns = await connection.run_sync(lambda _: {name: inspector.get_columns(name) for name in names})
    await database.close()
    return {name: {each["name"] for each in found} for name, found in columns.items()}


async def test_rows_survive_the_way_back_and_forth(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, awkward_rows())
    before = await everything(database_url)
    kept = await downgrade(place_of(database_url, tmp_path / "bot"))
    assert kept is not None
    older = tables_of(migrations.revision_before_newest())
    found = await tables_in(database_url, tmp_path)
    assert found == {name: set(columns) for name, columns in older.items()} | {"alembic_version": {"version_num"}}
    lost: Rows = {PastErasure.__tablename__: []}  # the older tables cannot hold it
    assert await everything(database_url) == before | lost


async def test_only_the_newest_is_taken_back(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, awkward_rows())
    place = place_of(database_url, tmp_path / "bot")
    await downgrade(place)
    with pytest.raises(ConfigurationError, match=r"is at version 0007, and only version 0008 can be taken back"):
        await downgrade(place)


async def test_a_bot_that_runs_is_not_disturbed(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, awkward_rows())
    place = place_of(database_url, tmp_path / "bot")
    async with bot_lock(place.data_folder, place.database):
        with pytest.raises(ConfigurationError, match=r"a bot already runs with DATA_DIR=.*; stop it"):
            await downgrade(place)


async def test_a_missing_database(sqlite_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no database"):
        await downgrade(place_of(sqlite_url, tmp_path / "bot"))


def test_every_new_version_can_be_taken_back() -> None:
    folder = Path(migrations.__file__).parent
    for version in ScriptDirectory(str(folder)).walk_revisions():
        if version.revision > "0007":
            assert hasattr(version.module, "downgrade"), version.revision
