"""Backups that the bot makes by itself, and how long they stay."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bot.storage.backup.automatic import delete_old_backups
from tests.storage.backup.rows import names_in, place_of
from tests.storage.conftest import until


async def test_what_is_too_old_is_deleted(sqlite_url: str, tmp_path: Path) -> None:
    place = place_of(sqlite_url, tmp_path / "bot")
    place.backups.mkdir(parents=True)
    too_old = time.time() - place.kept_for.total_seconds() - 1
    ours = (
        "before-restore-1.zip",
        "to-restore-another.zip",
        "being-restored-another.zip",
        "before-restore-2.zip.x.part",
    )
    for name in (*ours, "of-the-operator.zip"):
        (place.backups / name).touch()
        os.utime(place.backups / name, (too_old, too_old))
    (place.backups / "before-restore-3.zip").touch()
    deleting = asyncio.create_task(delete_old_backups(place))
    await until(lambda: len(names_in(place.backups)) == 2)
    deleting.cancel()
    assert sorted(names_in(place.backups)) == ["before-restore-3.zip", "of-the-operator.zip"]
