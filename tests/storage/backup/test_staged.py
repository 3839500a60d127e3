"""A backup that waits for the bot which runs to restore it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from bot.errors import ServerUnreachableError
from bot.storage.backup.archive import Archive
from bot.storage.backup.at_start import open_own_storage
from bot.storage.backup.carried_over import CarriedOver
from bot.storage.backup.restoring import Restored, Staged, restore, restore_staged
from bot.storage.bot_lock import bot_lock
from bot.storage.tables import Persona
from tests.storage.backup.rows import insert_rows, place_of
from tests.storage.backup.test_restoring import backed_up
from tests.storage.conftest import until


async def test_a_bot_that_runs_restores_it_at_its_next_start(database_url: str, tmp_path: Path) -> None:
    await insert_rows(database_url, {Persona: [{"place_id": 1, "text": "Backed up"}]})
    path, place = await backed_up(database_url, tmp_path), place_of(database_url, tmp_path / "bot")
    async with open_own_storage(place, database_url, lambda _: None) as storage:
        await storage.conversations.set_persona(1, "Since")
        assert await restore(place, path) == Staged()
        assert place.staged.stat().st_mode & 0o777 == 0o600
        assert await storage.conversations.personas([1]) == {1: "Since"}
    async with open_own_storage(place, database_url, lambda _: None) as storage:
        assert await storage.conversations.personas([1]) == {1: "Backed up"}
        assert not place.staged.exists()


async def test_a_staged_backup_that_cannot_be_restored_keeps_nobody_from_answering(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "As it was"}]})
    place = place_of(sqlite_url, tmp_path / "bot")
    place.backups.mkdir(parents=True)
    place.staged.write_bytes(b"Nothing")
    async with open_own_storage(place, sqlite_url, lambda _: None) as storage:
        assert await storage.conversations.personas([1]) == {1: "As it was"}
    assert "Backup not restored, the database is as it was" in caplog.text
    assert not place.staged.exists()


async def test_a_staged_backup_that_raises_something_unexpected_is_tried_once(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "Backed up"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    async with bot_lock(place.data_folder, place.database):
        assert await restore(place, path) == Staged()
    monkeypatch.setattr(CarriedOver, "add", None)
    for _ in range(2):
        async with open_own_storage(place, sqlite_url, lambda _: None) as storage:
            assert await storage.conversations.personas([1]) == {1: "Backed up"}
    assert caplog.text.count("Backup not restored, the database is as it was") == 1


async def test_a_server_that_is_down_costs_no_staged_backup(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "Backed up"}]})
    path = await backed_up(sqlite_url, tmp_path)
    place = place_of("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", tmp_path / "bot")
    place.backups.mkdir(parents=True)
    shutil.copy(path, place.staged)
    for _ in range(2):
        with pytest.raises(ServerUnreachableError):
            await restore_staged(place)
    assert place.being_restored.read_bytes() == path.read_bytes()


async def test_one_that_is_staged_during_a_restore_is_not_lost(sqlite_url: str, tmp_path: Path) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "First"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    async with bot_lock(place.data_folder, place.database):
        assert await restore(place, path) == Staged()
        restoring = asyncio.create_task(restore_staged(place))
        await until(lambda: not place.staged.exists(), 10)
        assert await restore(place, path) == Staged()
        await restoring
    assert place.staged.exists()
    assert not place.being_restored.exists()


async def test_the_later_restore_wins_over_a_staged_one(sqlite_url: str, tmp_path: Path) -> None:
    """The bot was killed before it came to the staged one."""
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "First"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    for left in (place.staged, place.being_restored):
        left.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, left)
    assert isinstance(await restore(place, path), Restored)
    assert not place.staged.exists()
    assert not place.being_restored.exists()


async def test_the_event_loop_goes_on_while_one_is_verified(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_rows(sqlite_url, {Persona: [{"place_id": 1, "text": "Backed up"}]})
    path, place = await backed_up(sqlite_url, tmp_path), place_of(sqlite_url, tmp_path / "bot")
    async with bot_lock(place.data_folder, place.database):
        assert await restore(place, path) == Staged()
    loop, goes_on = asyncio.get_running_loop(), threading.Event()

    def verify(_: Archive) -> None:
        loop.call_soon_threadsafe(goes_on.set)
        assert goes_on.wait(5)

    monkeypatch.setattr(Archive, "verify", verify)
    await restore_staged(place)
    assert goes_on.is_set()
