"""The database: whether it can be opened, and which migrations the next start applies."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from bot.doctor.check import Finding, Findings, Result, in_thread
from bot.errors import ConfigurationError
from bot.own_command import own_command
from bot.settings import Settings
from bot.storage.address import Address
from bot.storage.inspection import DatabaseState, inspect_database, inspect_file

NAME = "database"


def is_on_server(settings: Settings) -> bool:
    """Whether the database is not a file.

    Raises:
        ConfigurationError: its address is wrong.
    """
    return not _address(settings).is_sqlite


def database_file(settings: Settings) -> Path | None:
    """The file of a SQLite database; None for one on a server, or if its address is wrong."""
    try:
        address = _address(settings)
    except ConfigurationError:
        return None
    return address.file if address.is_sqlite else None


async def read_database(settings: Settings) -> DatabaseState:
    """Read the state of the database.

    Raises:
        ConfigurationError: the operator must change something before the bot can open it.
    """
    address = _address(settings)
    if address.is_sqlite:
        return await in_thread(partial(inspect_file, address))
    return await inspect_database(address)


def check_database(settings: Settings, state: DatabaseState) -> Findings:
    """Report what the next start does with the database."""
    address, revisions = _address(settings), state.revisions
    where = str(address.file if address.is_sqlite else address)
    if address.is_sqlite and address.file.exists() and not os.access(address.file, os.W_OK):
        way_out = f"let this user write to it, or {address.elsewhere}"
        return [Finding(NAME, Result.ERROR, f"the bot cannot write to {where}", way_out)]
    if revisions is None:
        return [Finding(NAME, Result.OK, f"{where} is not there yet; the first start creates it")]
    if revisions.current is None:
        return [Finding(NAME, Result.OK, f"{where} has no tables yet; the first start creates them")]
    if revisions.missing:
        line = f"{where} has the tables of an older version; the next start migrates {', '.join(revisions.missing)}"
        return [Finding(NAME, Result.WARNING, line, f"make a backup first: `{own_command('backup', 'FILE')}`")]
    return [Finding(NAME, Result.OK, f"{where} is up to date (version {revisions.current})")]


def _address(settings: Settings) -> Address:
    return Address.parse(settings.database_address, settings.database_setting)
