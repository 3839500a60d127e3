"""Writes a backup of a database, which others may be writing to meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import ConfigurationError
from bot.storage import migrations
from bot.storage.address import Address
from bot.storage.backup.archive import ArchiveWriter
from bot.storage.backup.manifest import FORMAT, Manifest, Origin, TableRecord
from bot.storage.backup.private_file import new_private_file
from bot.storage.backup.row_encoding import Kind
from bot.storage.backup.schema import Columns, table_clause, tables_of
from bot.storage.database import Database, opened
from bot.storage.tables import AcceptedQuestion

_ROWS_TOGETHER = 1000
_ACCEPTED = AcceptedQuestion.__tablename__


async def back_up(address: Address, path: Path, origin: Origin, *, replace: bool = False) -> Manifest:
    """Write a backup of one state of a database, and return what it says about itself.

    Args:
        address: of the database.
        path: of the new file.
        origin: for the manifest.
        replace: whether a file of that name may be there.

    Raises:
        ConfigurationError: the database cannot be read, or the file cannot be written; there is no new file.
    """
    require_database(address)
    _require_other_file(address, path)
    async with opened(address) as database:
        await _require_tables(database, address)
        async with database.connect() as connection:
            await connection.run_sync(migrations.keep_tables)
            revision = await connection.run_sync(migrations.current_revision)
            assert revision is not None  # the version is never deleted
            with new_private_file(path, replace=replace) as file, ArchiveWriter.to(file) as archive:
                return await _write(connection, archive, revision, origin)


async def _require_tables(database: Database, address: Address) -> None:
    async with database.connect() as connection:
        revision = await connection.run_sync(migrations.current_revision)
    if revision is None:
        raise ConfigurationError(f"the database {address} is empty; there is nothing to back up")
    if not migrations.is_known(revision):
        raise migrations.UnknownRevisionError(revision)


def require_database(address: Address) -> None:
    """Fail where a SQLite file is missing, which would be created otherwise.

    Raises:
        ConfigurationError: it is missing.
    """
    if address.is_sqlite and not address.file.exists():
        raise ConfigurationError(
            f"there is no database {address.file}; run this in the bot's folder, or set {address.setting} as for it"
        )


def _require_other_file(address: Address, path: Path) -> None:
    if address.is_sqlite and path.exists() and path.samefile(address.file):
        raise ConfigurationError(f"{path} is the database itself; name another file")


async def _write(connection: AsyncConnection, archive: ArchiveWriter, revision: str, origin: Origin) -> Manifest:
    made_at = datetime.now(UTC)
    tables = {name: await _copy(connection, archive, name, each) for name, each in tables_of(revision).items()}
    manifest = Manifest(
        format=FORMAT,
        made_at=made_at,
        revision=revision,
        origin=origin,
        tables=tables,
        left_out=await _interactions(connection, tables_of(revision)[_ACCEPTED]),
    )
    archive.finish(manifest)
    return manifest


async def _copy(connection: AsyncConnection, archive: ArchiveWriter, name: str, columns: Columns) -> TableRecord:
    table = table_clause(name, columns)
    query = select(table)
    if name == _ACCEPTED and "interaction" in columns:
        query = query.where(table.c.interaction.is_(None))  # it holds a token, which is a secret
    with archive.table(name) as writer:
        result = await connection.stream(query, execution_options={"yield_per": _ROWS_TOGETHER})
        async for rows in result.partitions():
            writer.add(rows)
        return writer.record(columns)


async def _interactions(connection: AsyncConnection, columns: Columns) -> int:
    """The number of accepted questions that are left out."""
    if columns.get("interaction") is not Kind.JSON:
        return 0
    table = table_clause(_ACCEPTED, columns)
    found = await connection.scalar(select(func.count()).select_from(table).where(table.c.interaction.is_not(None)))
    return int(found or 0)
