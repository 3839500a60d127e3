"""A lock that a running bot holds, so that two bots never use one database, and a restore knows whether one runs.

A bot keeps conversations in memory: what another program writes below it would be contradicted or overwritten. Locked
are the data folder, by a file, and the database: a SQLite file by another file beside it, a PostgreSQL database by its
server, because the other bot may run on another machine. Both locks end with the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import ConfigurationError
from bot.private_files import make_private_folder, private_opener
from bot.storage.address import Address
from bot.storage.server_lock import ServerLock

logger = logging.getLogger(__name__)

LOCK_NAME = "bot.lock"

_RETRY_SECONDS = 0.5


class BotRunsError(ConfigurationError):
    """A bot runs with this data folder and this database."""


@asynccontextmanager
async def bot_lock(data_folder: Path, address: Address, *, wait_seconds: float = 0.0) -> AsyncIterator[None]:
    """Hold the lock for as long as the block lasts.

    Args:
        data_folder: created if it is missing.
        address: of the database.
        wait_seconds: for the end of whoever holds it.

    Raises:
        BotRunsError: a bot runs with this folder and this database.
        ConfigurationError: a bot runs with one of them; or the operator must change something else first.
    """
    deadline, waits = asyncio.get_running_loop().time() + wait_seconds, False
    async with AsyncExitStack() as held:
        while (refusal := await _take(held, data_folder, address)) is not None:
            if asyncio.get_running_loop().time() >= deadline:
                raise refusal
            if not waits:
                logger.warning("Waiting up to %.0f s: %s", wait_seconds, refusal)
                waits = True
            await asyncio.sleep(_RETRY_SECONDS)
        yield


def is_locked(data_folder: Path) -> bool:
    """Whether a bot has a data folder now. Changes nothing; False if this user may not know."""
    path = data_folder / LOCK_NAME
    try:
        if not path.exists():
            return False
        with FileLock(path, timeout=0, fallback_to_soft=False):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


async def _take(held: AsyncExitStack, data_folder: Path, address: Address) -> ConfigurationError | None:
    """Take both locks, to be given back with the stack; or none, and return why."""
    async with AsyncExitStack() as taken:
        has_folder = _take_file(taken, data_folder / LOCK_NAME)
        if address.is_sqlite:
            file = address.file.resolve()  # another bot may get there by a link
            has_database = _take_file(taken, file.with_name(f"{file.name}.lock"))
        else:
            has_database = await _take_on_server(taken, address)
        if has_folder and has_database:
            await held.enter_async_context(taken.pop_all())
            return None
    if not has_folder and not has_database:
        return BotRunsError(
            f"a bot already runs with DATA_DIR={data_folder} and the database {address}; stop it, or give this one a "
            "folder and a database of its own"
        )
    if not has_folder:
        return ConfigurationError(
            f"a bot with another database already runs with DATA_DIR={data_folder}; give this one a folder of its own"
        )
    return ConfigurationError(
        f"a bot with another DATA_DIR, perhaps on another machine, uses the database {address}; stop it, or "
        f"{address.elsewhere}"
    )


async def _take_on_server(taken: AsyncExitStack, address: Address) -> bool:
    lock = ServerLock(address)
    taken.push_async_callback(lock.release)
    return await lock.take()


def _take_file(taken: AsyncExitStack, path: Path) -> bool:
    """Return whether it was free."""
    lock = FileLock(path, timeout=0, fallback_to_soft=False)
    try:
        make_private_folder(path.parent)
        if not path.exists():
            os.close(private_opener(str(path), os.O_CREAT | os.O_RDWR))
        lock.acquire()
    except Timeout:
        return False
    except (OSError, NotImplementedError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its disk has no locks"
        raise ConfigurationError(
            f"the file {path} cannot be locked ({reason}); let the bot write to its folder, or set DATA_DIR to another"
        ) from error
    taken.callback(lock.release)
    return True
