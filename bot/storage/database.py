"""Transactions on the database, which is a SQLite file or on a PostgreSQL server."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import DatabaseOutageError
from bot.storage import migrations
from bot.storage.address import DATABASE_URL, Address
from bot.storage.engines import BEGIN, postgresql_engine, sqlite_engine
from bot.storage.outage import outage_in
from bot.storage.refusal import why_not_opened

__all__ = ["Database", "DatabaseOutageError"]

_LOCK_SECONDS = 2.0
_SERVER_SECONDS = 10.0
MIGRATION_SECONDS = 300.0
"""For a server: a migration of many rows is one statement, and it may have to wait for a backup."""
_MAINTENANCE_LOCK_MILLISECONDS = 100
_COPIES = 2


class Database:
    """An open database whose tables are those of `bot.storage.tables`. Use `Database.open`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._write_turn: AbstractAsyncContextManager[object] = asyncio.Lock() if self._is_sqlite else nullcontext()
        if self._is_sqlite:
            # SQLite waits for the write lock here; requested at the first write after a read, it is refused at once.
            self._writing = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
            self._reading = engine
        else:
            self._writing = engine
            # A transaction that reads sees one state, as it does in SQLite.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        setting: str = DATABASE_URL,
        lock_seconds: float = _LOCK_SECONDS,
        server_seconds: float = _SERVER_SECONDS,
    ) -> Database:
        """Open a database and migrate its tables. Creates a missing SQLite file and its folder.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/database`.
            setting: see `Address`.
            lock_seconds: time limit for another program's lock on a SQLite file.
            server_seconds: time limit for each answer of a PostgreSQL server, but for those to a migration.

        Raises:
            ConfigurationError: the operator must change something first, or start the server.
        """
        address = Address.parse(url, setting)
        database = cls.unmigrated(address, lock_seconds=lock_seconds, server_seconds=server_seconds)
        try:
            await database._migrate(address)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    def unmigrated(
        cls, address: Address, *, lock_seconds: float = _LOCK_SECONDS, server_seconds: float = _SERVER_SECONDS
    ) -> Database:
        """A database whose tables may be those of another version, or missing; see `open`. Connects at its first use.

        Raises:
            ConfigurationError: the operator must change something first.
        """
        if address.is_sqlite:
            return cls(sqlite_engine(address, lock_seconds))
        return cls(postgresql_engine(address, server_seconds))

    async def close(self) -> None:
        """Close all connections. Do not use the database afterwards."""
        await self._engine.dispose()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes: committed at the end of the block, rolled back if the block raises.

        SQLite runs one at a time; the others wait at their start.

        Raises:
            DatabaseOutageError: in the block or at its end. If the connection broke during the commit, the block may
                be committed nevertheless.
        """
        async with self._write_turn, self._connection(self._writing) as connection:
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads and sees one state of the database. Its writes are rolled back.

        Raises:
            DatabaseOutageError: in the block.
        """
        async with self._connection(self._reading) as connection:
            yield connection

    async def purge_leftovers(self) -> None:
        """Remove deleted text from SQLite's write-ahead log, where it stays until the log is truncated.

        A PostgreSQL server removes deleted text by itself (VACUUM).

        Raises:
            DatabaseOutageError: the log is in use; try again later.
        """
        async with self._maintenance() as connection:
            if connection is not None:
                await _truncate_log(connection)

    async def rewrite(self) -> None:
        """Write a SQLite database anew, without the copies of deleted rows in its pages; writes wait meanwhile.

        Raises:
            DatabaseOutageError: it is in use, or the disk has no room; try again later.
        """
        async with self._maintenance() as connection:
            if connection is None:
                return
            await _truncate_log(connection)  # first: for a reader of an older state, each try would fill the log
            await _require_room(connection)
            try:
                await connection.exec_driver_sql("VACUUM")
            finally:
                await _truncate_log(connection)

    @asynccontextmanager
    async def _maintenance(self) -> AsyncIterator[AsyncConnection | None]:
        """A connection to a SQLite file without a transaction, while nobody writes; None for PostgreSQL."""
        if not self._is_sqlite:
            yield None
            return
        async with self._write_turn, self._connection(self._engine.execution_options(**{BEGIN: None})) as connection:
            limit = (await connection.exec_driver_sql("PRAGMA busy_timeout")).scalar_one()
            # While it waits for other programs' readers, nobody can write.
            await connection.exec_driver_sql(f"PRAGMA busy_timeout = {_MAINTENANCE_LOCK_MILLISECONDS}")
            try:
                yield connection
            finally:
                if not connection.invalidated:
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout = {limit}")

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.connect() as connection:
                try:
                    yield connection
                except Exception as error:
                    if outage_in(error) is not None:
                        # SQLite keeps a file that it could only open for reading read-only, even once it may write
                        # again; and a rollback would wait for a silent server until the time limit once more.
                        await connection.invalidate()
                    raise
        except Exception as error:
            reason = outage_in(error)
            if reason is None:
                raise
            raise DatabaseOutageError(reason) from error

    async def _migrate(self, address: Address) -> None:
        with refusals_of(address):
            if self._is_sqlite:
                async with self.begin() as connection:
                    await connection.run_sync(migrations.upgrade)
                return
            async with self.connect() as connection:
                if await connection.run_sync(migrations.current_revision) == migrations.newest_revision():
                    return
        async with opened(address, MIGRATION_SECONDS) as migrating, migrating.begin() as connection:
            await connection.run_sync(migrations.upgrade)


@contextmanager
def refusals_of(address: Address) -> Iterator[None]:
    """Turn what hinders a command or the start into one line for the operator.

    Raises:
        ConfigurationError: the database cannot be opened, read or written, or belongs to another version.
    """
    try:
        yield
    except (migrations.UnknownRevisionError, DatabaseOutageError, DBAPIError) as error:
        refusal = why_not_opened(error, address)
        if refusal is None:
            raise
        raise refusal from error


async def _truncate_log(connection: AsyncConnection) -> None:
    busy = (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]
    if busy:
        raise DatabaseOutageError("deleted text is still in the database's log, which is in use")


async def _require_room(connection: AsyncConnection) -> None:
    """Refuse a rewrite that would fill the disk: it needs a copy, and the log another one."""
    file = (await connection.exec_driver_sql("PRAGMA database_list")).scalars(2).first()
    pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
    page_bytes = (await connection.exec_driver_sql("PRAGMA page_size")).scalar_one()
    needed, free = _COPIES * pages * page_bytes, shutil.disk_usage(Path(file or "").parent).free
    if free < needed:
        raise DatabaseOutageError(f"the disk has {free} free bytes, rewriting the database needs {needed}")


@asynccontextmanager
async def opened(address: Address, server_seconds: float = _SERVER_SECONDS) -> AsyncIterator[Database]:
    """An unmigrated database for a command, closed after the block.

    Raises:
        ConfigurationError: as `refusals_of`, in the block too.
    """
    with refusals_of(address):
        database = Database.unmigrated(address, server_seconds=server_seconds)
        try:
            yield database
        finally:
            await database.close()
