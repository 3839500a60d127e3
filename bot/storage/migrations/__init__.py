"""Migrates a database to the tables of `bot.storage.tables`, with Alembic (https://alembic.sqlalchemy.org).

To change the tables:

1. Change `bot/storage/tables.py`.
2. Add `versions/NNNN_what_it_does.py` with the next number as its `revision` and the number before as its
   `down_revision`, and write the operations into its `upgrade()`. They must work on SQLite and PostgreSQL: SQLite can
   add a column, but changes or drops one only within `op.batch_alter_table`. Names follow the naming convention in
   `tables.py`.
3. Run `tests/storage/test_migrations.py` with both databases (`scripts/with_postgresql.sh`): it compares what the
   migrations make with the tables.

Never change a released version: databases have gone through it. All missing versions are applied in one transaction, so
an interrupted start leaves the tables as they were. There are no downgrades; the way back is a copy of the database.
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

logger = logging.getLogger(__name__)

# At INFO, Alembic logs its context at every start; `upgrade` logs what it changed.
logging.getLogger("alembic").setLevel(logging.WARNING)


class UnknownRevisionError(Exception):
    """The database is at a version that this program does not know; the message is its name."""


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply the versions that the database lacks, up to one, within the connection's transaction.

    Raises:
        UnknownRevisionError: the database belongs to a newer version of the bot or to another program.
    """
    config = Config()
    # Alembic reads the option with configparser, where % begins a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    versions = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == versions.get_current_head():
        return
    if current is not None and current not in {version.revision for version in versions.walk_revisions()}:
        raise UnknownRevisionError(current)
    command.upgrade(config, revision)
    logger.info("Database migrated version=%s", MigrationContext.configure(connection).get_current_revision())
