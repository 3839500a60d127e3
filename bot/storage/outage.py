"""Tells passing troubles of a database from faults of the program."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError

_TROUBLE_CODES = (
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
    "25006",  # the server only reads
    "28",  # refused to log in
    "3D",  # no such database
    "40",  # rolled back for another transaction's sake
    "53",  # disk, memory or connections are used up
    "55P03",  # lock not available
    "57",  # the server was told to end, or starts
    "58",  # the server's operating system
    "XX",  # the server itself failed, or its files are damaged
)
"""Beginnings of SQLite's result codes (https://www.sqlite.org/rescode.html) and of PostgreSQL's SQLSTATE codes
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def error_code(error: BaseException) -> str:
    """SQLite's name of a result code, such as SQLITE_FULL, or PostgreSQL's SQLSTATE; empty where there is none."""
    if not isinstance(error, DBAPIError):
        return ""
    return getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""


def reason_of(error: BaseException) -> str:
    """What the database or the operating system said, in one line."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(said).split())


def outage_in(error: BaseException) -> str | None:
    """The line of a `DatabaseOutageError`, or None where the error will not pass by itself."""
    if isinstance(error, NoConnectionFreeError):
        return "all connections to the database are in use"
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, OSError):
        return f"the server cannot be reached: {reason_of(error)}"
    if isinstance(error, DBAPIError) and _is_trouble(error):
        return reason_of(error)
    return None


def _is_trouble(error: DBAPIError) -> bool:
    if code := error_code(error):
        return code.startswith(_TROUBLE_CODES)
    return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
