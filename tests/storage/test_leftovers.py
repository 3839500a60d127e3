"""What is deleted leaves the bytes of a SQLite database's files within seconds, while the bot runs."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from bot.conversation.turn import Quote, TextFile, Turn
from bot.prompting.prompt import Message
from bot.storage.database import Database
from bot.storage.storage import Storage
from tests.storage.conftest import until
from tests.storage.stored import ADA, HERE, keep, open_storage, turn

MARK = "UNFORGETTABLE"
LONG = f"{MARK} " * 5000
PATIENCE = 30  # seconds, for a machine with other work to do
ROOT = Path(__file__).parents[2]
KILLED = """
import asyncio, os, signal, sys
from bot.storage.storage import Storage
from tests.storage.test_leftovers import DELETIONS, fill

async def main():
    storage = await Storage.open(sys.argv[1], print)
    await fill(storage)
    await DELETIONS[sys.argv[2]](storage)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""

DELETIONS: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "a message": lambda storage: storage.conversations.erase([10]),
    "a reply": lambda storage: storage.conversations.erase([1010]),
    "a bulk": lambda storage: storage.conversations.erase(range(2000)),
    "an edit": lambda storage: storage.conversations.edit(10, "harmless", []),
    "a channel": lambda storage: storage.conversations.erase_channels([HERE.channel_id]),
    "a member": lambda storage: storage.conversations.forget(ADA, None),
    "a member in a channel": lambda storage: storage.conversations.forget(ADA, frozenset({HERE.channel_id})),
    "what is old": lambda storage: storage.conversations.forget_before(50),
}


def files(url: str) -> list[Path]:
    file = Path(make_url(url).database or "")
    return sorted(file.parent.glob(f"{file.name}*"))


def is_there(url: str, mark: str = MARK) -> bool:
    return any(mark.encode() in file.read_bytes() for file in files(url))


async def fill(storage: Storage) -> None:
    """Keep a turn with the mark in every text but the answer, which an edit leaves."""
    asked = turn(10, LONG, files=[TextFile(5, f"{MARK}.txt", LONG)], answer=Message("assistant", "Yes."))
    await keep(storage, asked)
    await storage.work.replied(10, 0, 1010)


@pytest.mark.parametrize("deletion", DELETIONS)
async def test_a_deletion_is_gone_while_the_bot_runs(sqlite_url: str, deletion: str) -> None:
    async with open_storage(sqlite_url) as storage:
        await fill(storage)
        assert is_there(sqlite_url)
        await DELETIONS[deletion](storage)
        await until(lambda: not is_there(sqlite_url), PATIENCE)


async def test_a_persona_that_is_replaced_or_cleared_is_gone(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        for text in ("harmless", None):
            await storage.conversations.set_persona(1, LONG)
            assert is_there(sqlite_url)
            await storage.conversations.set_persona(1, text)
            await until(lambda: not is_there(sqlite_url), PATIENCE)


@pytest.mark.parametrize("deletion", ["a message", "a member"])
async def test_a_deletion_in_an_outage_is_gone_soon_after_it(sqlite_url: str, deletion: str) -> None:
    outages: list[str | None] = []
    storage = await Storage.open(sqlite_url, outages.append)
    await fill(storage)
    with closing(sqlite3.connect(files(sqlite_url)[0], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await DELETIONS[deletion](storage)
        assert outages
        assert is_there(sqlite_url)
    await until(lambda: storage.outage is None)
    await until(lambda: not is_there(sqlite_url), PATIENCE)
    await storage.close()


async def test_a_deletion_is_gone_soon_after_another_program_stops_reading(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_storage(sqlite_url) as storage:
        await fill(storage)
        with reading(sqlite_url):
            await storage.conversations.forget(ADA, None)
            await keep(storage, turn(20, "The bot goes on"))
            assert is_there(sqlite_url)
        [warning] = [line for line in caplog.messages if "Deleted text stays" in line]
        assert "in use" in warning
        await until(lambda: not is_there(sqlite_url), PATIENCE)


@pytest.mark.parametrize("deletion", ["a message", "a channel", "a member"])
async def test_the_next_start_removes_what_a_kill_left(sqlite_url: str, deletion: str) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, sqlite_url, deletion, cwd=ROOT)
    assert await child.wait() == -signal.SIGKILL
    async with open_storage(sqlite_url):
        await until(lambda: not is_there(sqlite_url), PATIENCE)


async def test_no_copy_stays_in_the_gaps_of_pages(sqlite_url: str) -> None:
    chance = random.Random(7)  # of a dozen seeds, the one with which SQLite leaves such a copy
    deleted: list[int] = []
    async with open_storage(sqlite_url) as storage:
        for first in range(1000, 1200, 50):
            kept = [long_or_short(number, chance) for number in range(first, first + 50)]
            await keep(storage, *kept)
            gone = [each.id for each in kept if chance.random() < 0.4]
            deleted += gone
            await storage.conversations.erase(gone)
        await storage.conversations.forget_before(1080)
        deleted += range(1000, 1080)

        def remains() -> list[int]:
            found = b"".join(file.read_bytes() for file in files(sqlite_url))
            return [number for number in deleted if mark_of(number).encode() in found]

        await until(lambda: not remains(), 4 * PATIENCE)  # rewrites rest in between
        assert is_there(sqlite_url, "MARK")


async def test_many_deletions_cost_few_truncations(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = 0
    truncate = Database.purge_leftovers

    async def counting(database: Database) -> None:
        nonlocal times
        times += 1
        await truncate(database)

    monkeypatch.setattr(Database, "purge_leftovers", counting)
    async with open_storage(sqlite_url) as storage:
        await keep(storage, *(turn(number, LONG[:500]) for number in range(100, 200)))
        for number in range(100, 200):
            await storage.conversations.erase([number])
        await until(lambda: not is_there(sqlite_url), PATIENCE)
    assert times < 20


async def test_without_room_for_a_copy_nothing_is_rewritten(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{(small_disk / 'bot.sqlite3').as_posix()}"
    async with open_storage(url) as storage:
        await keep(storage, turn(10, "Kept " * 60_000))
        await storage.conversations.erase([])
        await storage.conversations.set_persona(1, None)
        await until(lambda: any("free bytes" in line for line in caplog.messages), PATIENCE)
        await keep(storage, turn(20, "The bot goes on"))
        assert len(await storage.conversations.branch(10)) == 1


def long_or_short(number: int, chance: random.Random) -> Turn:
    text = f"{mark_of(number)} " * chance.choice([1, 3, 20, 100, 300])
    return turn(number, text, quotes=[Quote(3, ADA, "Ada", text)], answer=Message("assistant", text))


def mark_of(number: int) -> str:
    return f"MARK{number}X"


@contextmanager
def reading(url: str) -> Iterator[None]:
    """Another program reads the present state during the block."""
    with closing(sqlite3.connect(files(url)[0], isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM turns").fetchone()
        yield
