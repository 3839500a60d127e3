"""SQLAlchemy engines for SQLite and PostgreSQL."""

from __future__ import annotations

import importlib
import os
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from bot.errors import ConfigurationError
from bot.own_command import install_command
from bot.private_files import close_files, make_private_folder, private_opener
from bot.storage.address import Address

BEGIN = "sqlite_begin"
"""Execution option: the statement that begins a SQLite transaction, or None to begin none."""

_POSTGRESQL_CONNECTIONS = 4
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # readers and the writer do not block each other
    "PRAGMA synchronous = FULL",  # commits survive a power cut
    "PRAGMA secure_delete = ON",  # deleted text is overwritten
)


def sqlite_engine(address: Address, lock_seconds: float) -> AsyncEngine:
    """An engine for a SQLite file. Creates the file and its folder; nobody else may read the file and its log.

    Args:
        address: of the file.
        lock_seconds: time limit for another connection's lock.

    Raises:
        ConfigurationError: the file or folder cannot be created.
    """
    try:
        make_private_folder(address.file.parent)
        if not address.file.exists():
            # SQLite gives its log the file's mode.
            os.close(private_opener(str(address.file), os.O_CREAT | os.O_RDWR))
    except OSError as error:
        raise ConfigurationError(
            f"the file {address.file} for the database cannot be created ({error.strerror}); "
            f"let the bot write to its folder, or {address.elsewhere}"
        ) from error
    try:
        # aiosqlite 0.22 cannot end the thread of a connection that failed before the event loop closes.
        address.file.open("rb").close()
    except OSError as error:
        raise ConfigurationError(
            f"the database {address} cannot be opened ({error.strerror}); let the bot write to the file and its "
            f"folder, or {address.elsewhere}"
        ) from error
    file = address.file.resolve()
    close_files(file.parent, [file.name])
    # If the file disappears while the bot runs, SQLite must report that instead of creating an empty one.
    existing = address.url.set(database=file.as_uri(), query={"uri": "true", "mode": "rw"})
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
    """An engine for a database on a PostgreSQL server.

    Args:
        address: of the database.
        server_seconds: time limit for each answer of the server.

    Raises:
        ConfigurationError: asyncpg is not installed.
    """
    try:
        asyncpg: ModuleType = importlib.import_module("asyncpg")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "DATABASE_URL names a PostgreSQL database, which needs asyncpg; "
            f"install it with `{install_command('postgresql')}`"
        ) from error
    dsn = address.url.render_as_string(hide_password=False)

    async def connect() -> Any:
        # asyncpg parses the address, so that options such as sslmode work as in PostgreSQL's own tools.
        try:
            return await asyncpg.connect(dsn, timeout=server_seconds, command_timeout=server_seconds)
        except ValueError as error:
            raise ConfigurationError(
                f"PostgreSQL does not know an option after the ? in DATABASE_URL, for {address}; take it out"
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
        # SQLAlchemy does not close a connection whose "connect" listener failed.
        connection.close()
        raise
    cursor.close()


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get(BEGIN, "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)
