"""Removes from a SQLite database's files what deleted text leaves in them.

`secure_delete` overwrites what a deletion frees, but two kinds of copies escape it:

- The write-ahead log holds every version of a page until it is truncated. That takes milliseconds.
- A page from which SQLite moved rows to another keeps their bytes in the gap between its rows. Only a rewrite of the
  whole database removes them: half a second for 100 MB, in which nothing else can be written.
"""

from __future__ import annotations

import asyncio
import logging
import time

from bot.log_context import create_shared_task
from bot.storage.database import Database, DatabaseOutageError

logger = logging.getLogger(__name__)

_DELAY_SECONDS = 1.0
_RETRY_SECONDS = (1.0, 30.0)
_REST_AFTER_REWRITE = 100
"""Rewrites take a hundredth of the time at most; one that holds writes up for seconds comes even more rarely."""


class Leftovers:
    """Removes what deletions leave, in the background. Create it in a running event loop.

    Deletions within a second are handled together, so that a thousand cost what one does. What a killed program left,
    the next one removes at its start.

    Args:
        database: PostgreSQL removes deleted text by itself (VACUUM), so that there is nothing to do.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noted = asyncio.Event()
        self._noted.set()  # the program that had the database open before may have been killed
        self._removing = asyncio.Lock()
        self._rewrite_not_before = 0.0
        self._resting: asyncio.TimerHandle | None = None
        self._pause = 0.0
        self._try: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run())

    def note(self) -> None:
        """Remove soon what a deletion has just left."""
        self._noted.set()

    async def remove(self) -> None:
        """Try now; what does not work out is tried again in the background."""
        async with self._removing:
            if self._noted.is_set() and not self._task.done():
                self._noted.clear()
                self._try = create_shared_task(self._remove())
                await asyncio.shield(self._try)  # a caller that is cancelled breaks nothing off

    async def close(self) -> None:
        """Stop. Safe to call twice."""
        self._task.cancel()
        if self._resting is not None:
            self._resting.cancel()
        await asyncio.wait([self._task, self._try] if self._try else [self._task])

    async def _run(self) -> None:
        while True:
            await self._noted.wait()
            await asyncio.sleep(max(_DELAY_SECONDS, self._pause))
            await self.remove()

    async def _remove(self) -> None:
        try:
            await self._database.purge_leftovers()
            await self._rewrite_after_a_rest()
        except DatabaseOutageError as error:
            if not self._pause:
                logger.warning("Deleted text stays in the database's files for now, trying again reason=%s", error)
            first, longest = _RETRY_SECONDS
            self._pause = min(2 * self._pause or first, longest)
            self._noted.set()
        except Exception:  # the next deletion tries again
            logger.exception("Deleted text stays in the database's files")
        else:
            self._pause = 0.0

    async def _rewrite_after_a_rest(self) -> None:
        started = time.monotonic()
        if started < self._rewrite_not_before:
            if self._resting is not None:
                self._resting.cancel()
            rest = self._rewrite_not_before - started
            self._resting = asyncio.get_running_loop().call_later(rest, self._noted.set)
            return
        await self._database.rewrite()
        ended = time.monotonic()
        seconds = ended - started
        self._rewrite_not_before = ended + _REST_AFTER_REWRITE * seconds * max(1.0, seconds)
