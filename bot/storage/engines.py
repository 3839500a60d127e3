"""Makes SQLAlchemy's engine for either database."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from bot.errors import ConfigurationError
from bot.storage.address import Address

BEGIN = "sqlite_begin"
"""The execution option that says with which statement a transaction of SQLite begins; None for none at all."""

_POSTGRESQL_CONNECTIONS = 4
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # reading and writing do not wait for one another
    "PRAGMA synchronous = FULL",  # what is committed outlasts a power cut
    "PRAGMA secure_delete = ON",  # what is deleted does not stay in the file
)


def sqlite_engine(address: Address, lock_seconds: float) -> AsyncEngine:
    """An engine for a file, which is made with its folder.

    Args:
        address: a SQLite database's.
        lock_seconds: how long somebody else's lock is waited for.

    Raises:
        ConfigurationError: they cannot be made.
    """
    try:
        address.file.parent.mkdir(parents=True, exist_ok=True)
        if not address.file.exists():
            address.file.touch()
    except OSError as error:
        raise ConfigurationError(
            f"the file {address.file} for the database cannot be made ({error.strerror}); "
            "set DATABASE_URL to a file in a folder that the bot may write to"
        ) from error
    # A file that disappears under the running bot must be missed, and not begun anew without its tables.
    existing = address.url.set(database=address.file.resolve().as_uri(), query={"uri": "true", "mode": "rw"})
    engine = create_async_engine(
        existing.set(drivername="sqlite+aiosqlite"),
        # With isolation_level None the driver begins no transactions of its own; ours begin in `_begin`.
        connect_args={"timeout": lock_seconds, "isolation_level": None},
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def postgresql_engine(address: Address, server_seconds: float) -> AsyncEngine:
    """An engine for a server's database.

    Args:
        address: a PostgreSQL database's.
        server_seconds: how long an answer of the server is waited for.

    Raises:
        ConfigurationError: asyncpg is not installed.
    """
    try:
        asyncpg: ModuleType = importlib.import_module("asyncpg")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "DATABASE_URL names a PostgreSQL database, which needs asyncpg; "
            "install it with: pip install -c constraints.txt '.[postgresql]'"
        ) from error
    dsn = address.url.render_as_string(hide_password=False)

    async def connect() -> Any:
        # asyncpg itself reads the address, so that options such as sslmode mean what PostgreSQL's own tools mean.
        try:
            return await asyncpg.connect(dsn, timeout=server_seconds, command_timeout=server_seconds)
        except ValueError as error:
            raise ConfigurationError(
                f"an option after the ? in DATABASE_URL, for {address}, is none that PostgreSQL knows; take it out"
            ) from error

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=_POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=server_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
    )


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
    except Exception:
        # Nobody else closes a connection that was not finished.
        connection.close()
        raise
    cursor.close()


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(BEGIN, "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)
