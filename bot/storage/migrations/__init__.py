"""Migrates a database to the tables of `bot.storage.tables`, with Alembic (https://alembic.sqlalchemy.org).

To change the tables:

1. Change `bot/storage/tables.py`.
2. Add `versions/NNNN_what_it_does.py` with the next number as its `revision` and the number before as its
   `down_revision`, and write the operations into its `upgrade()`. They must work on SQLite and PostgreSQL: SQLite can
   add a column, but changes or drops one only within `op.batch_alter_table`. Names follow the naming convention in
   `tables.py`.
3. Write its `downgrade()`: it makes the older tables and keeps every row that they can hold.
4. Run `tests/storage/test_migrations.py` and `test_downgrade.py` with both databases (`scripts/with_postgresql.sh`):
   they compare what the migrations make with the tables.

Never change a released version: databases have gone through it. All missing versions are applied in one transaction, so
an interrupted start leaves the tables as they were. Only the newest version is taken back; further back leads a backup.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

logger = logging.getLogger(__name__)

# At INFO, Alembic logs its context at every start; `upgrade` logs what it changed.
logging.getLogger("alembic").setLevel(logging.WARNING)

VERSION_TABLE = "alembic_version"


class UnknownRevisionError(Exception):
    """The database is at a version that this program does not know; the message is its name."""


def newest_revision() -> str:
    """The version that this program works with."""
    newest = _versions().get_current_head()
    assert newest is not None  # there are versions
    return newest


def revision_before_newest() -> str:
    """The version to which the newest one is taken back."""
    before = _versions().get_revision(newest_revision()).down_revision
    assert isinstance(before, str)  # the versions form a line
    return before


def is_known(revision: str) -> bool:
    """Whether this program knows a version."""
    return revision in {version.revision for version in _versions().walk_revisions()}


def current_revision(connection: Connection) -> str | None:
    """The version of a database; None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


@dataclass(frozen=True, slots=True)
class Revisions:
    """Where a database stands.

    Attributes:
        current: its version; None if it is empty.
        missing: the versions that the next start applies, the oldest first.
    """

    current: str | None
    missing: Sequence[str]


def revisions(connection: Connection) -> Revisions:
    """Read where a database stands, without a change.

    Raises:
        UnknownRevisionError: the database belongs to a newer version of the bot or to another program.
    """
    current = current_revision(connection)
    known = [version.revision for version in _versions().walk_revisions()]  # the newest first
    if current is None:
        return Revisions(None, known[::-1])
    if current not in known:
        raise UnknownRevisionError(current)
    return Revisions(current, known[: known.index(current)][::-1])


def wait_for_backups(connection: Connection) -> None:
    """Before the tables change, wait until no backup reads them, and let none begin until the transaction ends.

    In PostgreSQL, a transaction that sees an older state finds a table empty that was made or rewritten since. In
    SQLite it sees the older table.
    """
    if connection.dialect.name == "postgresql" and current_revision(connection) is not None:
        connection.execute(text(f"LOCK TABLE {VERSION_TABLE} IN ACCESS EXCLUSIVE MODE"))


def keep_tables(connection: Connection) -> None:
    """Let nobody change the tables until the transaction ends. It must be its first statement, before it sees a state.

    The database must not be empty.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {VERSION_TABLE} IN ACCESS SHARE MODE"))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply the versions that the database lacks, up to one, within the connection's transaction.

    Raises:
        UnknownRevisionError: the database belongs to a newer version of the bot or to another program.
    """
    current = current_revision(connection)
    if current == newest_revision():
        return
    if current is not None and not is_known(current):
        raise UnknownRevisionError(current)
    wait_for_backups(connection)
    apply(connection, revision)
    logger.info("Database migrated version=%s", current_revision(connection))


def apply(connection: Connection, revision: str) -> None:
    """Apply the versions up to one to a database whose version is known, without a line in the log."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection) -> None:
    """Take the newest version back, within the connection's transaction. The database must be at that version."""
    wait_for_backups(connection)
    command.downgrade(_config(connection), "-1")


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    # Alembic reads the option with configparser, where % begins a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _versions() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
