"""A backup or a restore that is killed leaves the old state or the new one, and no half file under the name."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest

from bot.storage.backup.archive import Archive
from bot.storage.backup.writing import back_up
from bot.storage.tables import Persona
from tests.storage.backup.rows import ORIGIN, insert_rows, names_in, place_of
from tests.storage.conftest import until
from tests.storage.stored import everything

ROOT = Path(__file__).resolve().parents[3]
ROWS = 8_000

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for a process")


@asynccontextmanager
async def command(folder: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m bot …` in a folder with its own data."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def kill_when(process: asyncio.subprocess.Process, moment: Callable[[], object], number: signal.Signals) -> int:
    """Send a signal at a moment at which the process still runs; return its exit code."""
    await until(moment, 60)
    assert process.returncode is None
    process.send_signal(number)
    return await process.wait()


async def have_database(folder: Path) -> str:
    url = f"sqlite:///{folder}/data/conversations.sqlite3"
    await insert_rows(url, {Persona: [{"place_id": n, "text": os.urandom(200).hex()} for n in range(ROWS)]})
    return url


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_backup_that_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    await have_database(tmp_path)
    code: int | None = None
    while code is None:  # on a busy machine, a backup may be over before this process looks
        (tmp_path / "backup.zip").unlink(missing_ok=True)
        async with command(tmp_path, "backup", "backup.zip") as process:
            await until(lambda: process.returncode is not None or part_size(tmp_path) > 100_000, 60)
            if process.returncode is None:
                process.send_signal(number)
                code = await process.wait() or None
    assert not (tmp_path / "backup.zip").exists()
    if number != signal.SIGKILL:
        assert code == 130
        assert names_in(tmp_path) == ["data"]


def part_size(folder: Path) -> int:
    for part in folder.glob("*.part"):
        with suppress(FileNotFoundError):  # it has just been given its name
            return part.stat().st_size
    return 0


def log_size(folder: Path) -> int:
    log = folder / "data" / "conversations.sqlite3-wal"
    return log.stat().st_size if log.exists() else 0


@pytest.mark.parametrize(
    "megabytes", [pytest.param(0, marks=pytest.mark.long), 1, pytest.param(2, marks=pytest.mark.long)]
)
async def test_a_restore_that_is_killed(tmp_path: Path, megabytes: int) -> None:
    url = await have_database(tmp_path)
    await back_up(place_of(url, tmp_path / "data").database, tmp_path / "backup.zip", ORIGIN)
    await insert_rows(url, {Persona: [{"place_id": ROWS, "text": "Since"}]})
    before = await everything(url)
    async with command(tmp_path, "restore", "backup.zip") as process:
        await kill_when(process, lambda: log_size(tmp_path) > megabytes * 1_000_000, signal.SIGKILL)
    assert await everything(url) in (before, before | {"personas": before["personas"][:-1]})
    with closing(sqlite3.connect(tmp_path / "data" / "conversations.sqlite3")) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with command(tmp_path, "restore", "backup.zip") as process:
        assert await process.wait() == 0
    assert len((await everything(url))["personas"]) == ROWS
    for kept in (tmp_path / "data" / "backups").glob("*.zip"):
        with Archive.open(kept) as archive:
            archive.verify()
