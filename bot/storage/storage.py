"""The open database with everything that reads and writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.storage.conversation_store import DatabaseConversationStore
from bot.storage.database import Database
from bot.storage.journal import Journal
from bot.storage.work_store import DatabaseWorkStore

_LAST_WRITES_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Storage:
    """What the bot keeps. Use `Storage.open`.

    Attributes:
        conversations: what was said, and personas.
        work: what was accepted and is not finished.
    """

    conversations: DatabaseConversationStore
    work: DatabaseWorkStore
    _journal: Journal
    _database: Database

    @classmethod
    async def open(cls, url: str, on_trouble: Callable[[str | None], None]) -> Storage:
        """Open the database.

        Args:
            url: where it is; see `Database.open`.
            on_trouble: called with a line when it cannot be written, and with None when it can again.

        Raises:
            ConfigurationError: it cannot be used as it is.
        """
        database = await Database.open(url)
        journal = Journal(database, on_trouble)
        return cls(DatabaseConversationStore(journal, database), DatabaseWorkStore(journal), journal, database)

    @property
    def outage(self) -> str | None:
        """Why the database lags behind memory, in one line; None while all is well."""
        return self._journal.outage

    async def close(self) -> None:
        """Write what waits, and close the database."""
        await self._journal.close(_LAST_WRITES_SECONDS)
        await self._database.close()
