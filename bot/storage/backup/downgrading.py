"""Takes the newest migration back, so that an older bot can use the database with all that happened since."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ConfigurationError
from bot.storage import migrations
from bot.storage.backup.automatic import Before, back_up_before, current_revision
from bot.storage.backup.place import Place
from bot.storage.backup.writing import require_database
from bot.storage.bot_lock import bot_lock
from bot.storage.database import MIGRATION_SECONDS, opened


async def downgrade(place: Place) -> Path | None:
    """Take the newest migration back, in one transaction, and return the backup from before.

    Raises:
        ConfigurationError: a bot runs, or the database is not at the newest version; it is as it was.
    """
    require_database(place.database)
    async with bot_lock(place.data_folder, place.database):
        current, newest = await current_revision(place), migrations.newest_revision()
        if current != newest:
            raise ConfigurationError(
                f"the database {place.database} is at version {current or 'none'}, and only version {newest} can be "
                "taken back; to go further back, restore a backup"
            )
        kept = await back_up_before(place, Before.DOWNGRADE)
        async with opened(place.database, MIGRATION_SECONDS) as database, database.begin() as connection:
            await connection.run_sync(migrations.downgrade)
    return kept
