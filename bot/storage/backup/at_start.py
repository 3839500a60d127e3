"""Opens the storage of a bot that starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bot.storage.backup.automatic import back_up_before_migration
from bot.storage.backup.place import Place
from bot.storage.backup.restoring import restore_staged
from bot.storage.bot_lock import bot_lock
from bot.storage.storage import Storage

_WAIT_SECONDS = 30.0
_LOOK_SECONDS = 2.0


@asynccontextmanager
async def open_own_storage(
    place: Place, url: str, on_outage: Callable[[str | None], None], wait_seconds: float = _WAIT_SECONDS
) -> AsyncIterator[Storage]:
    """The storage of a bot that is the only one with its database, for as long as the block lasts.

    First it restores a staged backup, and backs up what it is about to migrate.

    Args:
        place: of the bot.
        url: of the database, with its password.
        on_outage: see `Storage.open`.
        wait_seconds: for the end of a restore, or of a bot that is still ending.

    Raises:
        ConfigurationError: the operator must change something first.
    """
    async with bot_lock(place.data_folder, place.database, wait_seconds=wait_seconds):
        await restore_staged(place)
        await back_up_before_migration(place)
        storage = await Storage.open(url, on_outage, place.database.setting)
        try:
            yield storage
        finally:
            await storage.close()


async def wait_for_staged(place: Place) -> None:
    """Return when a backup has been staged for this bot."""
    while not place.staged.exists():  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(_LOOK_SECONDS)
