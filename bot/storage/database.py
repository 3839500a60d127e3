"""The database: a SQLite file, or a PostgreSQL server's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import ConfigurationError, DatabaseOutageError
from bot.storage import migrations
from bot.storage.address import Address
from bot.storage.engines import BEGIN, postgresql_engine, sqlite_engine
from bot.storage.outage import outage_in
from bot.storage.refusal import why_not_opened

__all__ = ["Database", "DatabaseOutageError"]

_LOCK_SECONDS = 2.0
_SERVER_SECONDS = 10.0


class Database:
    """An open database whose tables are those of `bot.storage.tables`. Use `Database.open`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        if self._is_sqlite:
            # A lock that is only asked for at the first write, after a read, is refused at once instead of waited for.
            self._writing = engine.execution_options(**{BEGIN: "BEGIN IMMEDIATE"})
            self._reading = engine
        else:
            self._writing = engine
            # One reading sees one state, as it does in SQLite.
            self._reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @classmethod
    async def open(
        cls, url: str, *, lock_seconds: float = _LOCK_SECONDS, server_seconds: float = _SERVER_SECONDS
    ) -> Database:
        """Open a database and bring its tables up to date. A SQLite file and its folder are made where missing.

        Args:
            url: `sqlite:///path` or `postgresql://user:password@host/database`.
            lock_seconds: how long somebody else's lock on a SQLite file is waited for.
            server_seconds: how long an answer of a PostgreSQL server is waited for.

        Raises:
            ConfigurationError: the database cannot be used as it is.
        """
        address = Address.parse(url)
        if address.is_sqlite:
            engine = sqlite_engine(address, lock_seconds)
        else:
            engine = postgresql_engine(address, server_seconds)
        database = cls(engine)
        try:
            await database._bring_up_to_date(address)
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close all connections. Nothing may use the database any more."""
        await self._engine.dispose()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that may write: committed at the end of the block, rolled back if the block raises.

        In SQLite there is one such transaction at a time; it waits for its turn at the start.

        Raises:
            DatabaseOutageError: in the block or at its end. What the block did may be committed all the same if the
                connection was lost during the commit.
        """
        async with self._connection(self._writing) as connection:
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that reads, and sees one state of the database. What it writes is not kept.

        Raises:
            DatabaseOutageError: in the block.
        """
        async with self._connection(self._reading) as connection:
            yield connection

    async def purge_leftovers(self) -> None:
        """Take deleted text out of SQLite's write-ahead log too, where it may stand until the log is begun anew.

        A PostgreSQL server does that by itself, in its own time (VACUUM).

        Raises:
            DatabaseOutageError: somebody reads from the log just now, or writes; try again later.
        """
        if not self._is_sqlite:
            return
        async with self._connection(self._engine.execution_options(**{BEGIN: None})) as connection:
            result = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = result.one()[0]
        if busy:
            raise DatabaseOutageError("deleted text is still in the database's log, which is in use")

    @asynccontextmanager
    async def _connection(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.connect() as connection:
                try:
                    yield connection
                except Exception as error:
                    if outage_in(error) is not None:
                        # Used again, a file that was opened for reading alone would stay so even when it may be
                        # written again; and a rollback on a line that has gone silent would wait in vain once more.
                        await connection.invalidate()
                    raise
        except Exception as error:
            line = outage_in(error)
            if line is None:
                raise
            raise DatabaseOutageError(line) from error

    async def _bring_up_to_date(self, address: Address) -> None:
        try:
            async with self.begin() as connection:
                await connection.run_sync(migrations.upgrade)
        except (migrations.UnknownRevisionError, DatabaseOutageError, DBAPIError) as error:
            line = why_not_opened(error, address)
            if line is None:
                raise
            raise ConfigurationError(line) from error
