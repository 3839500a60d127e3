"""Replaces what is in a database by what a backup holds: in one transaction, while no bot uses it."""

from __future__ import annotations

import asyncio
import logging
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.snowflake import snowflake_at
from bot.engine.erasure_log import delete_blocks
from bot.errors import ConfigurationError, DatabaseOutageError, ServerUnreachableError
from bot.private_files import give_away_as_root
from bot.storage import migrations
from bot.storage.backup.archive import Archive
from bot.storage.backup.automatic import Before, back_up_before
from bot.storage.backup.carried_over import CarriedOver
from bot.storage.backup.place import Place
from bot.storage.backup.private_file import new_private_file
from bot.storage.backup.schema import table_clause, tables_of
from bot.storage.bot_lock import BotRunsError, bot_lock
from bot.storage.database import MIGRATION_SECONDS, Database, opened
from bot.storage.past_erasures import RECORD_DAYS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """The database holds a backup's rows.

    Attributes:
        kept: the backup of what was there before; None if that was nothing.
    """

    kept: Path | None


@dataclass(frozen=True, slots=True)
class Staged:
    """A bot runs; it restores the backup in a moment."""


async def restore(place: Place, path: Path, *, force: bool = False) -> Restored | Staged:
    """Verify a backup and restore it, or have the running bot do so.

    Args:
        place: of the bot.
        path: of the backup.
        force: restore one that is so old that deletions since are no longer recorded.

    Raises:
        ConfigurationError: the backup cannot be used, or the database cannot be changed; it is as it was.
    """
    with Archive.open(path) as archive:
        archive.verify()
        if not force:
            _require_recorded(path, archive)
        try:
            async with bot_lock(place.data_folder, place.database):
                kept = await _restore(place, archive)
                for older in (place.staged, place.being_restored):  # of a bot that ended before it came to it
                    older.unlink(missing_ok=True)
                return Restored(kept)
        except BotRunsError:
            _stage(place, path)
            return Staged()


async def restore_staged(place: Place) -> None:
    """Restore what `restore` has staged; called by a bot that starts, under its lock. A failure is logged.

    Raises:
        ServerUnreachableError: the database's server does not answer; the next start tries again.
    """
    if place.staged.exists():
        place.staged.replace(place.being_restored)  # what is staged from now on is for the next restart
    if not place.being_restored.exists():
        return
    try:
        with Archive.open(place.being_restored) as archive:
            await asyncio.to_thread(archive.verify)  # the service manager wants its heartbeats meanwhile
            kept = await _restore(place, archive)
        logger.warning(
            "Backup restored made_at=%s rows=%d before=%s", archive.manifest.made, archive.manifest.rows, kept
        )
    except ServerUnreachableError:
        raise
    except ConfigurationError as error:
        logger.error("Backup not restored, the database is as it was reason=%s", error)
    except Exception:  # nobody looks: with the same file, every start would fail in the same way
        logger.exception("Backup not restored, the database is as it was")
    place.being_restored.unlink(missing_ok=True)


def _stage(place: Place, path: Path) -> None:
    with path.open("rb") as source, new_private_file(place.staged, replace=True) as copy:
        shutil.copyfileobj(source, copy)
    give_away_as_root(place.staged)


def _require_recorded(path: Path, archive: Archive) -> None:
    if datetime.now(UTC) - archive.manifest.made_at > timedelta(days=RECORD_DAYS):
        raise ConfigurationError(
            f"{path} is from {archive.manifest.made}, and what members deleted is on record for {RECORD_DAYS} days "
            "only, so it would bring some of that back; use a newer backup, or restore it nevertheless with --force"
        )


async def _restore(place: Place, archive: Archive) -> Path | None:
    """Restore under the lock; return the backup of what was there before."""
    kept = await back_up_before(place, Before.RESTORE)
    async with opened(place.database, MIGRATION_SECONDS) as database:
        async with database.begin() as connection:
            await _replace(connection, archive, snowflake_at(datetime.now(UTC) - place.missed_for))
            _delete_disk_cache(place.disk_cache)
        await _remove_leftovers(database)
    return kept


async def _replace(connection: AsyncConnection, archive: Archive, oldest_answered: int) -> None:
    await connection.run_sync(migrations.wait_for_backups)
    await connection.run_sync(migrations.upgrade)
    present = await CarriedOver.read(connection)
    await connection.run_sync(_empty, archive.manifest.revision)
    for name, record in archive.manifest.tables.items():
        statement = insert(table_clause(name, record.columns))
        for rows in archive.rows(name):
            with archive.refusals_of_its_rows():
                await connection.execute(statement, [dict(zip(record.columns, row, strict=True)) for row in rows])
    await connection.run_sync(migrations.apply, "head")
    await present.add(connection, oldest_answered)


def _empty(connection: Connection, revision: str) -> None:
    """Replace all tables by the empty ones of a version."""
    ours = {*tables_of(migrations.newest_revision()), migrations.VERSION_TABLE}
    for name in ours.intersection(inspect(connection).get_table_names()):
        connection.execute(text(f'DROP TABLE "{name}"'))
    migrations.apply(connection, revision)


def _delete_disk_cache(folder: Path) -> None:
    """The engine's disk cache knows nothing of the erasures that the restored rows went through before."""
    try:
        delete_blocks(folder)
    except OSError as error:
        raise ConfigurationError(
            f"the disk cache {folder} cannot be deleted ({error.strerror or error}); delete it, and restore again"
        ) from error


async def _remove_leftovers(database: Database) -> None:
    try:
        await database.purge_leftovers()
        await database.rewrite()
    except (DatabaseOutageError, asyncio.CancelledError) as error:
        # Whoever stops the command now must not read that nothing has changed.
        reason = "stopped" if isinstance(error, asyncio.CancelledError) else error
        logger.warning("Replaced text stays in the database's files until the bot starts reason=%s", reason)
