"""Writes everything into the database, in order, and keeps it in memory while the database is in outage."""

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

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Change = Callable[[AsyncConnection], Awaitable[None]]

_RETRY_SECONDS = (1.0, 30.0)


@dataclass(slots=True, eq=False)
class _Pending:
    """A change that is to be committed.

    Attributes:
        settled: done when nobody need wait any longer: it is committed, can never be, or is kept until it can.
        error: why it can never be committed.
    """

    change: Change
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Journal:
    """The one way into the database. Made inside a running event loop; `close` it before the database.

    Each change is a transaction of its own, and one is committed after the other, in the order of the calls. A change
    may be tried again after its transaction was committed, when the connection is lost during the commit: changes
    must be such that doing one twice, with nothing in between, is the same as doing it once.

    While the database is in trouble, changes wait in memory, and are lost if the process ends.

    Args:
        database: where to write.
        on_trouble: called in the event loop with a line when trouble begins, and with None when it is over and
            everything is made up for.
        retry_seconds: the first pause before trying again, and the longest; each is twice the one before.
    """

    def __init__(
        self,
        database: Database,
        on_trouble: Callable[[str | None], None],
        retry_seconds: tuple[float, float] = _RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._on_trouble = on_trouble
        self._first_pause, self._longest_pause = retry_seconds
        self._pause = self._first_pause
        self._changes: deque[_Pending] = deque()
        self._something_to_do = asyncio.Event()
        self._closing = asyncio.Event()
        self._outage: str | None = None
        self._made_up_for = 0
        self._task = asyncio.create_task(self._run())

    @property
    def outage(self) -> str | None:
        """Why the database lags behind memory, in one line; None while all is well."""
        return self._outage

    @property
    def behind(self) -> int:
        """How many changes are not committed yet."""
        return len(self._changes)

    async def write(self, change: Change) -> None:
        """Commit a change. In trouble it is kept in memory and this returns at once, or as soon as trouble shows.

        It is committed even if the caller is cancelled.

        Raises:
            Exception: what `change` or the database raised, if it can never be committed; it is dropped then. Not once
                it was kept.
        """
        pending = self._add(change)
        if self._outage is None:
            await pending.settled.wait()
        if pending.error is not None:
            raise pending.error

    def note(self, change: Change) -> None:
        """The same without waiting; a change that can never be committed is only logged."""
        self._add(change)

    async def read(self, query: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """Read what all changes before this call have made; in trouble, what there is.

        Raises:
            DatabaseOutageError: the database cannot be read now.
        """
        if self._changes and self._outage is None:
            await self._changes[-1].settled.wait()
        async with self._database.connect() as connection:
            return await query(connection)

    async def close(self, time_limit_seconds: float) -> None:
        """Commit what can be committed within the limit, and end. May be called twice."""
        self._closing.set()
        self._something_to_do.set()
        await asyncio.wait([self._task], timeout=time_limit_seconds)
        if self._task.cancel():
            await asyncio.wait([self._task])
            logger.error(
                "The database could not be written before the end (%s); changes that are lost: %d.",
                self._outage or "it took too long",
                self.behind,
            )
            for pending in self._changes:
                pending.settled.set()

    def _add(self, change: Change) -> _Pending:
        if self._task.done():
            raise RuntimeError("the journal is closed")
        pending = _Pending(change)
        self._changes.append(pending)
        self._something_to_do.set()
        return pending

    async def _run(self) -> None:
        while self._changes or not self._closing.is_set():
            if self._changes:
                await self._commit_first()
            else:
                self._something_to_do.clear()
                await self._something_to_do.wait()

    async def _commit_first(self) -> None:
        pending = self._changes[0]
        try:
            async with self._database.begin() as connection:
                await pending.change(connection)
        except DatabaseOutageError as error:
            self._enter_trouble(str(error))
            await self._wait_to_try_again()
            return
        except Exception as error:
            logger.exception("A change can never be written into the database, and is dropped.")
            pending.error = error
        else:
            self._made_up_for += 1
        self._pause = self._first_pause
        self._changes.popleft()
        if not self._changes:
            self._leave_trouble()
        pending.settled.set()

    async def _wait_to_try_again(self) -> None:
        if self._closing.is_set():
            await asyncio.sleep(self._first_pause)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._closing.wait()
        self._pause = min(2 * self._pause, self._longest_pause)

    def _enter_trouble(self, line: str) -> None:
        for pending in self._changes:
            pending.settled.set()
        if self._outage is not None:
            return
        self._outage = line
        self._made_up_for = 0
        logger.error("The database cannot be written (%s); the bot goes on from memory and tries again.", line)
        self._tell(line)

    def _leave_trouble(self) -> None:
        if self._outage is None:
            return
        self._outage = None
        logger.warning("The database can be written again; changes made up for: %d.", self._made_up_for)
        self._tell(None)

    def _tell(self, line: str | None) -> None:
        try:
            self._on_trouble(line)
        except Exception:
            # Whoever fails to hear of it must not stop the writing of everything else.
            logger.exception("A trouble of the database could not be told.")
