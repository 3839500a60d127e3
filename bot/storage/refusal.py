"""Error messages for a database that cannot be opened."""

from __future__ import annotations

from bot.errors import ConfigurationError, DatabaseOutageError, ServerUnreachableError
from bot.own_command import own_command
from bot.storage.address import Address
from bot.storage.migrations import UnknownRevisionError
from bot.storage.outage import error_code, reason_of

_WAYS_OUT = {
    "SQLITE_BUSY": "another program is using it: stop that one, or {elsewhere}",
    "SQLITE_CANTOPEN": "let the bot write to the file and its folder, or {elsewhere}",
    "SQLITE_CORRUPT": "replace it with an intact copy, or move it away to start with an empty one",
    "SQLITE_FULL": "make room on the disk",
    "SQLITE_NOTADB": "{elsewhere}, or replace this one with an intact copy",
    "SQLITE_READONLY": "let the bot write to the file and its folder, or {elsewhere}",
    "SQLITE_ERROR": "{elsewhere} that only the bot uses",
    "28": "check the user and the password in DATABASE_URL",
    "3D": "create it with createdb, or name another in DATABASE_URL",
    "3F": "create the schema, or give the bot a database of its own",
    "42501": "let the user create tables in it: GRANT CREATE ON SCHEMA public TO the user",
    "42P07": "give the bot a database of its own",
    "42704": "take the option that is behind its ? out of DATABASE_URL",
    "53100": "make room on the server's disk",
}
"""What the operator can do, by the prefix of the error code; `{elsewhere}` is `Address.elsewhere`.

An error that is neither here nor an outage is a bug.
"""


def why_not_opened(error: Exception, address: Address) -> ConfigurationError | None:
    """What the operator can do, with the cause; a `ServerUnreachableError` if it may pass. None if the error is a bug.

    Args:
        error: raised while opening the database.
        address: where it is.
    """
    if isinstance(error, UnknownRevisionError):
        return ConfigurationError(
            f"the database {address} belongs to a newer version of the bot or to another program (its version is "
            f"{error}); install the newest bot, take that version back there with `{own_command('downgrade')}`, or "
            f"{address.elsewhere}"
        )
    is_outage = isinstance(error, DatabaseOutageError)
    code = error_code((error.__cause__ or error) if is_outage else error)
    way_out = next((way for prefix, way in _WAYS_OUT.items() if code.startswith(prefix)), None)
    may_pass = way_out is None and is_outage and not address.is_sqlite
    if way_out is None and is_outage:
        way_out = "check the disk" if address.is_sqlite else "check that the server runs at this address"
    if way_out is None:
        return None
    way_out = way_out.format(elsewhere=address.elsewhere)
    kind = ServerUnreachableError if may_pass else ConfigurationError
    return kind(f"the database {address} cannot be opened ({reason_of(error)}); {way_out}")
