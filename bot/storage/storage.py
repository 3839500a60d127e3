"""The open database and the stores over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.storage.address import DATABASE_URL
from bot.storage.conversation_store import DatabaseConversationStore
from bot.storage.database import Database
from bot.storage.journal import Journal
from bot.storage.mode_store import DatabaseModeStore
from bot.storage.work_store import DatabaseWorkStore

_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Storage:
    """The bot's database. Use `Storage.open`.

    Attributes:
        conversations: conversations and personas.
        work: accepted questions that are not delivered yet.
        modes: how the bot is asked in each channel.
    """

    conversations: DatabaseConversationStore
    work: DatabaseWorkStore
    modes: DatabaseModeStore
    _journal: Journal
    _database: Database

    @classmethod
    async def open(cls, url: str, on_outage: Callable[[str | None], None], setting: str = DATABASE_URL) -> Storage:
        """Open the database.

        Args:
            url: as `Database.open` takes it.
            on_outage: called with the reason when the database cannot be written, and with None when it can again.
            setting: see `Address`.

        Raises:
            ConfigurationError: the operator must change something first.
        """
        database = await Database.open(url, setting=setting)
        journal = Journal(database, on_outage)
        stores = DatabaseConversationStore(journal), DatabaseWorkStore(journal), DatabaseModeStore(journal)
        return cls(*stores, journal, database)

    @property
    def outage(self) -> str | None:
        """Why the database cannot be written, in one line; None while it can."""
        return self._journal.outage

    async def close(self) -> None:
        """Write what is pending, and close the database."""
        await self.conversations.finish(_CLOSE_SECONDS)
        await self._journal.close(_CLOSE_SECONDS)
        await self._database.close()
