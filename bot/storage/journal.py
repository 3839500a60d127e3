"""Ordered writes to the database, which wait in memory during an outage."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.database import Database, DatabaseOutageError
from bot.storage.leftovers import Leftovers

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Change = Callable[[AsyncConnection], Awaitable[None]]

_RETRY_SECONDS = (1.0, 30.0)


@dataclass(slots=True, eq=False)
class _Pending:
    """A change that is not committed yet.

    Attributes:
        deletes: whether it deletes text.
        settled: set when its writer need not wait any longer: it is committed, refused, or waits for an outage to end.
        error: why the database will never accept it.
    """

    change: Change
    deletes: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Journal:
    """The only way to write to the database. Create it in a running event loop; `close` it before the database.

    Each change is a transaction of its own. They are committed one after the other, in the order of the calls. If the
    connection breaks during a commit, the change runs again although it may be committed already: running a change
    twice in a row must have the effect of running it once.

    During an outage, changes wait in memory; they are lost if the process ends. The first of them is retried with
    exponential back-off until it succeeds, and holds up all others.

    Args:
        database: where to write.
        on_outage: called in the event loop with the reason when an outage begins, and with None when it is over and
            everything is written.
        retry_seconds: the first and the longest pause before a retry; each is twice the one before.
    """

    def __init__(
        self,
        database: Database,
        on_outage: Callable[[str | None], None],
        retry_seconds: tuple[float, float] = _RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._leftovers = Leftovers(database)
        self._on_outage = on_outage
        self._first_pause, self._longest_pause = retry_seconds
        self._pause = self._first_pause
        self._changes: deque[_Pending] = deque()
        self._wake_up = asyncio.Event()
        self._closing = asyncio.Event()
        self._outage: str | None = None
        self._committed_since_outage = 0
        self._task = asyncio.create_task(self._run())

    @property
    def outage(self) -> str | None:
        """Why the database cannot be written, in one line; None while it can."""
        return self._outage

    @property
    def behind(self) -> int:
        """The number of changes that are not committed yet."""
        return len(self._changes)

    async def write(self, change: Change, *, deletes: bool = False) -> None:
        """Commit a change; during an outage, return without waiting for that.

        The change is committed even if the caller is cancelled.

        Args:
            deletes: the change deletes or replaces text, of which no copy may stay in the database's files.

        Raises:
            Exception: what `change` or the database raised, if it is no outage. The change is dropped. After an
                outage that is only logged.
        """
        pending = self._add(change, deletes=deletes)
        if self._outage is None:
            await pending.settled.wait()
        if pending.error is not None:
            raise pending.error

    def note(self, change: Change) -> None:
        """Commit a change later, without waiting. Errors are only logged."""
        self._add(change)

    def ends_with(self, change: Change) -> bool:
        """Whether a change is not committed yet and nothing was written after it."""
        return bool(self._changes) and self._changes[-1].change == change

    async def read(self, query: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Read the result of all changes before this call; during an outage, of those that are committed.

        Raises:
            DatabaseOutageError: the database cannot be read now.
        """
        if self._changes and self._outage is None:
            await self._changes[-1].settled.wait()
        async with self._database.connect() as connection:
            return await query(connection)

    async def remove_leftovers(self) -> None:
        """Try to remove at once what deletions left in the database's files; without this call, that is done soon."""
        await self._leftovers.remove()

    async def close(self, time_limit_seconds: float) -> None:
        """Commit what is possible within the limit, and stop. Safe to call twice."""
        self._closing.set()
        self._wake_up.set()
        await asyncio.wait([self._task], timeout=time_limit_seconds)
        if self._task.cancel():
            await asyncio.wait([self._task])
            logger.error(
                "Database not written before shutdown lost_changes=%d reason=%s",
                self.behind,
                self._outage or "too slow",
            )
            for pending in self._changes:
                pending.settled.set()
        else:
            await self._leftovers.remove()
        await self._leftovers.close()

    def _add(self, change: Change, *, deletes: bool = False) -> _Pending:
        if self._task.done():
            raise RuntimeError("the journal is closed")
        pending = _Pending(change, deletes)
        self._changes.append(pending)
        self._wake_up.set()
        return pending

    async def _run(self) -> None:
        while self._changes or not self._closing.is_set():
            if self._changes:
                await self._commit_first()
            else:
                self._wake_up.clear()
                await self._wake_up.wait()

    async def _commit_first(self) -> None:
        pending = self._changes[0]
        try:
            async with self._database.begin() as connection:
                await pending.change(connection)
        except DatabaseOutageError as error:
            self._begin_outage(str(error))
            await self._back_off()
            return
        except Exception as error:
            logger.exception("Change dropped, the database refused it")
            pending.error = error
        else:
            self._committed_since_outage += 1
            if pending.deletes:
                self._leftovers.note()
        self._pause = self._first_pause
        self._changes.popleft()
        if not self._changes:
            self._end_outage()
        pending.settled.set()

    async def _back_off(self) -> None:
        if self._closing.is_set():
            await asyncio.sleep(self._first_pause)
            return
        with suppress(TimeoutError):
            # Retry libraries sleep through a `close`.
            async with asyncio.timeout(self._pause):
                await self._closing.wait()
        self._pause = min(2 * self._pause, self._longest_pause)

    def _begin_outage(self, reason: str) -> None:
        for pending in self._changes:
            pending.settled.set()
        if self._outage is not None:
            return
        self._outage = reason
        self._committed_since_outage = 0
        logger.error("Database cannot be written, continuing from memory reason=%s", reason)
        self._report(reason)

    def _end_outage(self) -> None:
        if self._outage is None:
            return
        self._outage = None
        logger.warning("Database can be written again changes=%d", self._committed_since_outage)
        self._report(None)

    def _report(self, reason: str | None) -> None:
        try:
            self._on_outage(reason)
        except Exception:
            # A listener's fault must not stop all writing.
            logger.exception("Outage listener failed")
