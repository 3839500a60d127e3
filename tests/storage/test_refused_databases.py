"""A database that cannot be opened: one line says why and what to do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from bot.errors import ConfigurationError
from bot.own_command import install_command
from bot.storage.database import Database
from tests.small_disk import fill
from tests.storage.server_proxy import ServerProxy

SECRET = "hunter2"


async def refusal(url: str, **options: Any) -> str:
    """The error line for a database that cannot be opened."""
    with pytest.raises(ConfigurationError) as refused:
        await Database.open(url, **options)
    line = str(refused.value)
    assert "\n" not in line
    assert SECRET not in line
    return line


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (SECRET, "is not a database's address; write sqlite:"),
        (f"postgresql://me:{SECRET}@host:port/db", "is not a database's address"),
        (f"postgresql://me:a@{SECRET}@host/db", "holds more than one @"),
        (f"mysql://me:{SECRET}@host/db", "begins with mysql, which the bot cannot use"),
        (f"postgresql+psycopg://me:{SECRET}@host/db", r"begins with postgresql\+psycopg"),
        ("sqlite://", "must name a SQLite file"),
        ("sqlite:///:memory:", "must name a SQLite file"),
        ("sqlite:///bot.sqlite3?mode=ro", "must name a SQLite file by its path alone"),
        ("sqlite://data/bot.sqlite3", "needs three slashes"),
    ],
)
async def test_an_invalid_address(url: str, line: str) -> None:
    with pytest.raises(ConfigurationError, match=line):
        await Database.open(url)
    assert "DATABASE_URL" in await refusal(url)


async def test_a_missing_driver_for_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    line = await refusal(f"postgresql://me:{SECRET}@127.0.0.1/db")
    assert line.endswith(f"install it with `{install_command('postgresql')}`")


async def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = await refusal(f"sqlite:///{tmp_path.as_posix()}/file/bot.sqlite3")
    assert line.startswith(f"the file {tmp_path / 'file' / 'bot.sqlite3'} for the database cannot be created")


async def test_the_default_file_is_blamed_on_its_own_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path.as_posix()}/file/bot.sqlite3"
    for setting, elsewhere in (("DATA_DIR", "folder"), ("DATABASE_URL", "file")):
        assert (await refusal(url, setting=setting)).endswith(f"or set {setting} to another {elsewhere}")
    (tmp_path / "notes.txt").write_text("Buy milk.\n" * 1000)
    line = await refusal(f"sqlite:///{tmp_path.as_posix()}/notes.txt", setting="DATA_DIR")
    assert "set DATA_DIR to another folder" in line


@pytest.mark.parametrize("path", ["~/bot.sqlite3", "/~/bot.sqlite3", "$HOME/bot.sqlite3", "/${HOME}/bot.sqlite3"])
async def test_nothing_is_expanded_in_an_address(path: str) -> None:
    assert "takes ~ and $ as they are written; write the whole path" in await refusal(f"sqlite:///{path}")


async def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    assert "cannot be opened (Is a directory); let the bot write" in await refusal(f"sqlite:///{tmp_path.as_posix()}")


async def test_a_read_only_disk(small_disk: Path) -> None:
    make_read_only(small_disk)
    assert "cannot be created (Read-only file system); let the bot write to its folder, or set" in await refusal(
        f"sqlite:///{small_disk}/bot.sqlite3"
    )


async def test_a_full_disk(small_disk: Path) -> None:
    fill(small_disk / "filler")
    assert "make room on the disk" in await refusal(f"sqlite:///{small_disk}/bot.sqlite3")


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk.\n" * 1000)
    line = await refusal(f"sqlite:///{tmp_path.as_posix()}/notes.txt")
    assert "(file is not a database); set DATABASE_URL to another file" in line


async def test_a_damaged_file(sqlite_url: str) -> None:
    await (await Database.open(sqlite_url)).close()
    damage(Path(make_url(sqlite_url).database or ""))
    assert "replace it with an intact copy" in await refusal(sqlite_url)


async def test_a_locked_file(sqlite_url: str) -> None:
    await (await Database.open(sqlite_url)).close()
    other = sqlite3.connect(make_url(sqlite_url).database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "another program is using it" in await refusal(sqlite_url, lock_seconds=0.05)
    other.close()


async def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    line = await refusal(f"postgresql://me:{SECRET}@127.0.0.1:{unused_tcp_port}/db")
    assert line.startswith(f"the database postgresql://me:***@127.0.0.1:{unused_tcp_port}/db cannot be opened (the ")
    assert line.endswith("check that the server runs at this address")


async def test_a_server_that_does_not_answer(postgresql_url: str) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    proxy.fall_silent()
    assert "(the server does not answer)" in await refusal(proxy.url, server_seconds=0.1)
    await proxy.cut()


async def test_a_database_that_is_not_there(postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(database="nowhere").render_as_string(hide_password=False)
    assert '(database "nowhere" does not exist); create it with createdb' in await refusal(url)


@pytest.mark.parametrize("option", ["colour=blue", f"sslmode={SECRET}"])
async def test_an_unknown_option(postgresql_url: str, option: str) -> None:
    line = await refusal(f"{postgresql_url}?{option}")
    assert "option" in line
    assert "out of DATABASE_URL" in line or "take it out" in line


async def test_a_user_who_may_not_create_tables(
    postgresql_url: str, as_administrator: Callable[[str], Awaitable[None]]
) -> None:
    await as_administrator(f"CREATE ROLE guest_of_test LOGIN PASSWORD '{SECRET}'")
    try:
        url = make_url(postgresql_url).set(username="guest_of_test", password=SECRET)
        assert "GRANT CREATE ON SCHEMA public" in await refusal(url.render_as_string(hide_password=False))
    finally:
        await as_administrator("DROP ROLE guest_of_test")


async def test_a_wrong_password(postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(password=SECRET)
    assert "check the user and the password" in await refusal(url.render_as_string(hide_password=False))


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def damage(file: Path) -> None:
    """Overwrite the list of tables, but leave the header intact."""
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * 4000 + content[4100:])
