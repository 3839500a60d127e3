"""Looks at a database without changing it, while the bot runs or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.errors import ConfigurationError, DatabaseOutageError
from bot.storage import migrations
from bot.storage.address import Address
from bot.storage.engines import postgresql_engine
from bot.storage.migrations import Revisions, UnknownRevisionError
from bot.storage.outage import outage_in
from bot.storage.refusal import why_not_opened
from bot.storage.tables import ChannelMode as ChannelModeRow

_LOCK_SECONDS = 2.0
_SERVER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """What is in a database.

    Attributes:
        revisions: which of the bot's tables it has; None if there is no database yet.
        modes: of the channels; none before the tables are up to date.
    """

    revisions: Revisions | None
    modes: Sequence[ModeSetting] = ()


async def inspect_database(address: Address) -> DatabaseState:
    """Read the state of a database on a server.

    Raises:
        ConfigurationError: the operator must change something before the bot can open it.
    """
    engine = postgresql_engine(address, _SERVER_SECONDS)
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        async with reading.connect() as connection:
            return await connection.run_sync(_state)
    except (UnknownRevisionError, SQLAlchemyError, OSError) as error:
        raise _refusal(error, address) from error
    finally:
        await engine.dispose()


def inspect_file(address: Address) -> DatabaseState:
    """Read the state of a SQLite file.

    Raises:
        ConfigurationError: the operator must change something before the bot can open it.
    """
    file = address.file
    try:
        if not file.exists():
            return DatabaseState(None)
        engine = create_engine(
            address.url.set(database=file.resolve().as_uri(), query={"uri": "true", **_read_only(file)}),
            connect_args={"timeout": _LOCK_SECONDS},
            hide_parameters=True,
        )
    except OSError as error:
        raise ConfigurationError(
            f"the database {address} cannot be read ({error.strerror}); let the bot read the file and its folder"
        ) from error
    try:
        with engine.connect() as connection:
            return _state(connection)
    except (UnknownRevisionError, SQLAlchemyError) as error:
        raise _refusal(error, address) from error
    finally:
        engine.dispose()


def _read_only(file: Path) -> dict[str, str]:
    """SQLite's options for a file, such that opening it makes no file beside it.

    Without a writer there is no shared memory, and SQLite would create it; then the file alone is the database.
    """
    return {"mode": "ro"} if Path(f"{file}-shm").exists() else {"immutable": "1"}


def _state(connection: Connection) -> DatabaseState:
    found = migrations.revisions(connection)
    if found.missing:
        return DatabaseState(found)
    rows = connection.execute(select(ChannelModeRow.__table__)).all()
    return DatabaseState(found, [ModeSetting(row.channel_id, ChannelMode(row.mode), row.since_id) for row in rows])


def _refusal(error: Exception, address: Address) -> Exception:
    """What the error means to the operator; the error itself if it is a bug."""
    outage = outage_in(error)
    cause = DatabaseOutageError(outage) if outage is not None else error
    if outage is not None:
        cause.__cause__ = error
    return why_not_opened(cause, address) or error
