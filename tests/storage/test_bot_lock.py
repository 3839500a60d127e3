"""One bot at a time has a database and a data folder."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from bot.errors import ConfigurationError
from bot.storage.address import Address
from bot.storage.bot_lock import BotRunsError, bot_lock
from tests.storage.server_proxy import ServerProxy

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import asyncio, sys
from pathlib import Path
from bot.storage.address import Address
from bot.storage.bot_lock import bot_lock

async def hold():
    async with bot_lock(Path(sys.argv[1]), Address.parse(sys.argv[2])):
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""
LOCKS = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE locktype = 'advisory' AND datname = current_database()
"""


async def test_a_second_bot_is_refused_until_the_first_ends(database_url: str, tmp_path: Path) -> None:
    address = Address.parse(database_url)
    async with bot_lock(tmp_path / "one", address):
        with pytest.raises(BotRunsError, match="a bot already runs with DATA_DIR="):
            async with bot_lock(tmp_path / "one", address):
                pass
        with pytest.raises(ConfigurationError, match="another DATA_DIR, perhaps on another machine"):
            async with bot_lock(tmp_path / "two", address):
                pass
        with pytest.raises(ConfigurationError, match="a bot with another database already runs"):
            async with bot_lock(tmp_path / "one", Address.parse(f"sqlite:///{tmp_path}/other.sqlite3")):
                pass
    for folder in ("one", "two"):  # nothing stays locked, also of what a refused one had taken
        async with bot_lock(tmp_path / folder, address):
            pass


async def test_a_link_leads_to_the_same_database(sqlite_url: str, tmp_path: Path) -> None:
    address = Address.parse(sqlite_url)
    link = tmp_path / "link.sqlite3"
    link.symlink_to(address.file)
    async with bot_lock(tmp_path / "one", address):
        with pytest.raises(ConfigurationError, match="another DATA_DIR, perhaps on another machine"):
            async with bot_lock(tmp_path / "two", Address.parse(f"sqlite:///{link}")):
                pass


async def test_it_waits_for_the_end_of_another(database_url: str, tmp_path: Path) -> None:
    address, entered = Address.parse(database_url), asyncio.Event()

    async def second() -> None:
        async with bot_lock(tmp_path, address, wait_seconds=60):
            entered.set()

    async with bot_lock(tmp_path, address):
        waiting = asyncio.create_task(second())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.05)
        assert not entered.is_set()
    await waiting
    assert entered.is_set()


async def test_it_says_once_that_it_waits_however_long_a_try_takes(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bot.storage.bot_lock._RETRY_SECONDS", 0.0)  # longer than that, as on a server far away
    address = Address.parse(sqlite_url)
    async with bot_lock(tmp_path, address):
        with pytest.raises(BotRunsError):
            async with bot_lock(tmp_path, address, wait_seconds=0.1):
                pass
    assert caplog.text.count("Waiting up to 0 s: a bot already runs with DATA_DIR=") == 1


async def test_the_lock_ends_with_a_killed_process(database_url: str, tmp_path: Path) -> None:
    address = Address.parse(database_url)
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(tmp_path), database_url),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(BotRunsError):
        async with bot_lock(tmp_path, address):
            pass
    holder.kill()
    await holder.wait()
    async with bot_lock(tmp_path, address, wait_seconds=10):
        pass


async def test_the_lock_is_back_soon_after_a_restart_of_the_server(postgresql_url: str, tmp_path: Path) -> None:
    proxy = ServerProxy(postgresql_url)
    await proxy.open()
    async with bot_lock(tmp_path, Address.parse(proxy.url)):
        await until_locks(postgresql_url, 1)
        await proxy.cut()
        await until_locks(postgresql_url, 0)
        await proxy.open()
        async with asyncio.timeout(5):  # far below the seconds between two checks
            await until_locks(postgresql_url, 1)
    await proxy.cut()


async def until_locks(url: str, count: int) -> None:
    """Return when the server holds so many locks for the database. To take one would disturb its holder."""
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(20):
            while await connection.fetchval(LOCKS) != count:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        ConfigurationError, match=r"cannot be locked \((File exists|Not a directory)\); let the bot write"
    ):
        async with bot_lock(tmp_path / "file" / "data", Address.parse(f"sqlite:///{tmp_path}/bot.sqlite3")):
            pass
