"""Backups that the bot makes by itself, before something changes the whole database."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from bot.private_files import give_away_as_root
from bot.storage import migrations
from bot.storage.backup.place import Place
from bot.storage.backup.private_file import PART_SUFFIX
from bot.storage.backup.writing import back_up
from bot.storage.database import opened

logger = logging.getLogger(__name__)

_KEPT = 3
_PAUSE_SECONDS = 3600.0
_OURS = ("before-*.zip", "to-restore-*.zip", "being-restored-*.zip", f"*{PART_SUFFIX}")
"""Also what is staged for a database that the bot no longer uses: nobody else would ever delete it."""


class Before(StrEnum):
    """What a backup is made before."""

    MIGRATION = "migration"
    DOWNGRADE = "downgrade"
    RESTORE = "restore"


async def back_up_before(place: Place, event: Before) -> Path | None:
    """Back up a database, keep only the newest of these backups, and return the file; None if there is nothing.

    Raises:
        ConfigurationError: the database cannot be read, or the file cannot be written.
    """
    if await current_revision(place) is None:
        return None
    path = place.backups / f"before-{event}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.zip"
    manifest = await back_up(place.database, path, place.origin)
    give_away_as_root(path)
    logger.info("Database backed up before=%s rows=%d path=%s", event, manifest.rows, path)
    for older in sorted(place.backups.glob(f"before-{event}-*.zip"))[:-_KEPT]:
        older.unlink(missing_ok=True)
    return path


async def back_up_before_migration(place: Place) -> None:
    """Back up a database that the start is about to migrate.

    Raises:
        ConfigurationError: as `back_up_before`.
    """
    current = await current_revision(place)
    if current is not None and current != migrations.newest_revision() and migrations.is_known(current):
        await back_up_before(place, Before.MIGRATION)


async def current_revision(place: Place) -> str | None:
    """The version of the tables; None if there is no database, or it is empty.

    Raises:
        ConfigurationError: it cannot be read.
    """
    if place.database.is_sqlite and not place.database.file.exists():
        return None
    async with opened(place.database) as database, database.connect() as connection:
        return await connection.run_sync(migrations.current_revision)


async def delete_old_backups(place: Place) -> None:
    """Delete automatic backups that are too old, at once and then every hour, until cancelled."""
    while True:
        try:
            await asyncio.to_thread(_delete_old, place)
        except OSError as error:
            logger.warning("Old backups cannot be deleted path=%s reason=%s", place.backups, error.strerror)
        await asyncio.sleep(_PAUSE_SECONDS)


def _delete_old(place: Place) -> None:
    oldest = time.time() - place.kept_for.total_seconds()
    for path in [each for pattern in _OURS for each in place.backups.glob(pattern)]:
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            logger.info("Old backup deleted path=%s", path)
