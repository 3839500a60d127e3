"""Where the database is: what DATABASE_URL may say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import ConfigurationError

_EXAMPLES = "sqlite:///data/bot.sqlite3 or postgresql://user:password@host/database"
_DIALECTS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+asyncpg": "postgresql",
}


@dataclass(frozen=True, slots=True)
class Address:
    """A database's address, understood.

    Attributes:
        url: in the short form, without a driver's name. It may hold a password: show `str()` of the address instead.
    """

    url: URL

    @classmethod
    def parse(cls, text: str) -> Address:
        """Understand an address.

        Raises:
            ConfigurationError: it is none, or of a database that the bot cannot use.
        """
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # ValueError: a port that is no number
            raise ConfigurationError(f"DATABASE_URL is not a database's address; write {_EXAMPLES}") from None
        if url.drivername not in _DIALECTS:
            raise ConfigurationError(
                f"DATABASE_URL begins with {url.drivername}, which the bot cannot use; write {_EXAMPLES}"
            )
        if "@" in (url.host or ""):
            # The rest of such a password would be taken for the host, and shown.
            raise ConfigurationError(
                "DATABASE_URL holds more than one @; write one within a user's name or a password as %40"
            )
        address = cls(url.set(drivername=_DIALECTS[url.drivername]))
        if address.is_sqlite:
            address._check_file()
        return address

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file; else it is a PostgreSQL server's."""
        return self.url.drivername == "sqlite"

    @property
    def file(self) -> Path:
        """A SQLite database's file."""
        return Path(self.url.database or "")

    def __str__(self) -> str:
        """The address as people may see it: no password, and no options, which can hold one."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    def _check_file(self) -> None:
        name = self.url.database
        if self.url.host:
            raise ConfigurationError(
                "DATABASE_URL needs three slashes before a relative path of a SQLite file, and four before an "
                "absolute one: sqlite:///data/bot.sqlite3"
            )
        if not name or name == ":memory:" or name.startswith("file:") or self.url.query:
            raise ConfigurationError(
                "DATABASE_URL must name a SQLite file by its path alone, as in sqlite:///data/bot.sqlite3"
            )
