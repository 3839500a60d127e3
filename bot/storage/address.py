"""Parses DATABASE_URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import ConfigurationError

DATABASE_URL = "DATABASE_URL"
_EXAMPLES = "sqlite:///data/bot.sqlite3 or postgresql://user:password@host/database"
_DIALECTS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+asyncpg": "postgresql",
}

_EXPANDED_ELSEWHERE = re.compile(r"/?(~|\$\{?[A-Za-z_])")


@dataclass(frozen=True, slots=True)
class Address:
    """A database's parsed address.

    Attributes:
        url: without the driver's name. It can contain a password; to show the address, use `str()`.
        setting: which one leads there, for error lines: `DATABASE_URL`, or `DATA_DIR` for the default file.
    """

    url: URL
    setting: str = DATABASE_URL

    @classmethod
    def parse(cls, text: str, setting: str = DATABASE_URL) -> Address:
        """Parse an address.

        Raises:
            ConfigurationError: it is invalid, or names a kind of database that the bot cannot use.
        """
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # ValueError: the port is no number
            raise ConfigurationError(f"DATABASE_URL is not a database's address; write {_EXAMPLES}") from None
        if url.drivername not in _DIALECTS:
            raise ConfigurationError(
                f"DATABASE_URL begins with {url.drivername}, which the bot cannot use; write {_EXAMPLES}"
            )
        if "@" in (url.host or ""):
            # SQLAlchemy takes the rest of such a password for the host, so it would be shown.
            raise ConfigurationError(
                "DATABASE_URL holds more than one @; write one within a user name or a password as %40"
            )
        address = cls(url.set(drivername=_DIALECTS[url.drivername]), setting)
        if address.is_sqlite:
            address._check_file()
        return address

    @property
    def is_sqlite(self) -> bool:
        """True for a SQLite file, False for a PostgreSQL server."""
        return self.url.drivername == "sqlite"

    @property
    def file(self) -> Path:
        """The file of a SQLite database."""
        return Path(self.url.database or "")

    @property
    def elsewhere(self) -> str:
        """How the operator puts the database elsewhere."""
        return f"set {self.setting} to another {'file' if self.setting == DATABASE_URL else 'folder'}"

    def __str__(self) -> str:
        """The address without the password and without options, which can contain one too."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    def _check_file(self) -> None:
        name = self.url.database
        if self.url.host:
            raise ConfigurationError(
                "DATABASE_URL needs three slashes before the relative path of a SQLite file, four before an absolute "
                "one: sqlite:///data/bot.sqlite3"
            )
        if not name or name == ":memory:" or name.startswith("file:") or self.url.query:
            raise ConfigurationError(
                "DATABASE_URL must name a SQLite file by its path alone, like sqlite:///data/bot.sqlite3"
            )
        if self.setting == DATABASE_URL and _EXPANDED_ELSEWHERE.match(name):
            raise ConfigurationError(
                "DATABASE_URL takes ~ and $ as they are written; write the whole path, like "
                "sqlite:////home/me/bot.sqlite3"
            )
