"""Tells outages of a database from faults of the program."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

_OUTAGE_CODES = (
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_CORRUPT",
    "SQLITE_FULL",
    "SQLITE_INTERRUPT",
    "SQLITE_IOERR",
    "SQLITE_LOCKED",
    "SQLITE_NOMEM",
    "SQLITE_NOTADB",
    "SQLITE_PERM",
    "SQLITE_PROTOCOL",
    "SQLITE_READONLY",
    "08",  # connection
    "25006",  # the server is read-only
    "28",  # refused to log in
    "3D",  # no such database
    "40",  # rolled back in favor of another transaction
    "53",  # out of disk, memory or connections
    "55P03",  # lock not available
    "57",  # the server is shutting down or starting
    "58",  # error of the server's operating system
    "XX",  # bug of the server, or damaged files
)
"""Prefixes of SQLite's result codes (https://www.sqlite.org/rescode.html) and of PostgreSQL's SQLSTATE codes
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def error_code(error: BaseException) -> str:
    """SQLite's result code by name, such as SQLITE_FULL, or PostgreSQL's SQLSTATE; "" if there is neither."""
    if not isinstance(error, DBAPIError):
        return ""
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""


def reason_of(error: BaseException) -> str:
    """The error's message in one line."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(original).split())


def outage_in(error: BaseException) -> str | None:
    """The message for a `DatabaseOutageError`; None if the error will not pass by itself."""
    if isinstance(error, NoConnectionFreeError):
        return "all connections to the database are in use"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, OSError):
        return f"the server cannot be reached: {reason_of(error)}"
    if isinstance(error, DBAPIError) and _is_outage(error):
        return reason_of(error)
    return None


def _is_outage(error: DBAPIError) -> bool:
    if code := error_code(error):
        return code.startswith(_OUTAGE_CODES)
    return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
