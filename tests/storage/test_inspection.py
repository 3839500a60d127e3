"""A database is looked at without a change, beside the running bot or without it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.errors import ConfigurationError
from bot.storage.address import Address
from bot.storage.database import Database
from bot.storage.inspection import DatabaseState, inspect_database, inspect_file
from bot.storage.storage import Storage
from tests.storage.test_migrations import back_to  # an older database, as its tests make it

MODE = ModeSetting(12, ChannelMode.FREE, 3)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but SQLite's shared memory, which its readers write their marks into."""
    return {
        str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".sqlite3-shm"
    }


async def inspected(url: str) -> DatabaseState:
    address = Address.parse(url)
    return inspect_file(address) if address.is_sqlite else await inspect_database(address)


async def test_nothing_is_created(sqlite_url: str, tmp_path: Path) -> None:
    assert (await inspected(sqlite_url)).revisions is None
    assert contents(tmp_path) == {}


async def test_a_database_beside_the_running_bot_and_after_its_end(database_url: str, tmp_path: Path) -> None:
    storage = await Storage.open(database_url, lambda _: None)
    await storage.modes.set_mode(MODE)
    before = contents(tmp_path)
    state = await inspected(database_url)
    assert state.revisions is not None
    assert (state.revisions.missing, state.modes) == ([], [MODE])
    assert contents(tmp_path) == before
    await storage.close()

    before = contents(tmp_path)
    assert (await inspected(database_url)).modes == [MODE]
    assert contents(tmp_path) == before


async def test_what_a_killed_bot_leaves_is_read_as_it_is(sqlite_url: str, tmp_path: Path) -> None:
    storage = await Storage.open(sqlite_url, lambda _: None)
    await storage.modes.set_mode(MODE)
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "data", left)
    await storage.close()
    before = contents(left)
    assert [Path(name).suffix for name in sorted(before)] == [".sqlite3", ".sqlite3-wal"]
    assert (await inspected(f"sqlite:///{left / 'bot.sqlite3'}")).modes == [MODE]
    assert contents(left) == before


async def test_an_older_database_keeps_its_tables(database_url: str, tmp_path: Path) -> None:
    database = await Database.open(database_url)
    async with database.begin() as connection:
        await connection.run_sync(back_to, "0005")
    await database.close()
    before = contents(tmp_path)
    for _ in range(2):
        state = await inspected(database_url)
        assert state.revisions is not None
        assert (state.revisions.current, state.revisions.missing[0]) == ("0005", "0006")
    assert contents(tmp_path) == before


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bot.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(ConfigurationError, match=r"belongs to a newer version of the bot.*; install the newest bot"):
        inspect_file(Address.parse(f"sqlite:///{file}"))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bot.sqlite3"
    file.write_text("This is not a database, and has more than a hundred bytes. " * 10)
    with pytest.raises(ConfigurationError, match=r"cannot be opened \(file is not a database\); "):
        inspect_file(Address.parse(f"sqlite:///{file}"))


def test_an_empty_file_has_no_tables(tmp_path: Path) -> None:
    file = tmp_path / "bot.sqlite3"
    file.touch()
    state = inspect_file(Address.parse(f"sqlite:///{file}"))
    assert state.revisions is not None
    assert (state.revisions.current, file.read_bytes()) == (None, b"")


async def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(ConfigurationError) as raised:
        await inspected("postgresql://me:hunter2@127.0.0.1:1/bot")
    assert "hunter2" not in str(raised.value)
    assert "check that the server runs at this address" in str(raised.value)
