"""Says why a database cannot be opened, and what to do about it."""

from __future__ import annotations

from bot.errors import DatabaseOutageError
from bot.storage.address import Address
from bot.storage.migrations import UnknownRevisionError
from bot.storage.outage import error_code, reason_of

_WAYS_OUT = {
    "SQLITE_BUSY": "another program is using it: end that one, or set DATABASE_URL to another file",
    "SQLITE_CANTOPEN": "let the bot write to the file and its folder, or set DATABASE_URL to another file",
    "SQLITE_CORRUPT": "put a sound copy in its place, or move it away to begin with an empty one",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_NOTADB": "set DATABASE_URL to another file, or put a sound copy in this one's place",
    "SQLITE_READONLY": "let the bot write to the file and its folder, or set DATABASE_URL to another file",
    "SQLITE_ERROR": "set DATABASE_URL to a file of the bot's own",
    "28": "check the user and the password in DATABASE_URL",
    "3D": "make it with createdb, or name another in DATABASE_URL",
    "3F": "make the schema, or give the bot a database of its own",
    "42501": "let the user create tables in it: GRANT CREATE ON SCHEMA public TO the user",
    "42P07": "give the bot a database of its own",
    "42704": "take the option that is behind its ? out of DATABASE_URL",
    "53100": "make room on the server's disk",
}
"""What to do about an error, by the beginning of its code. Errors that are neither here nor trouble are faults of the
program."""


def why_not_opened(error: Exception, address: Address) -> str | None:
    """One line for the person who runs the bot, or None where the error is a fault of the program.

    Args:
        error: what was raised while the database was being opened.
        address: of the database.
    """
    if isinstance(error, UnknownRevisionError):
        return (
            f"the database {address} was made by a newer version of the bot, or by another program (its version is "
            f"{error}); install the newest bot, or give DATABASE_URL another database"
        )
    is_trouble = isinstance(error, DatabaseOutageError)
    code = error_code((error.__cause__ or error) if is_trouble else error)
    way_out = next((way for beginning, way in _WAYS_OUT.items() if code.startswith(beginning)), None)
    if way_out is None and is_trouble:
        way_out = "check the disk" if address.is_sqlite else "check that the server runs, and that this is its address"
    return way_out and f"the database {address} cannot be opened ({reason_of(error)}); {way_out}"
