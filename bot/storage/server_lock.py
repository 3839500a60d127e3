"""The lock of a PostgreSQL database, which its server keeps for as long as the holder's connection lives."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import DatabaseOutageError
from bot.storage.address import Address
from bot.storage.database import refusals_of
from bot.storage.engines import postgresql_engine
from bot.storage.outage import outage_in

logger = logging.getLogger(__name__)

_SERVER_SECONDS = 10.0
_CHECK_SECONDS = 15.0
_RETRY_SECONDS = 1.0
_KEY = int.from_bytes(b"phi3-bot", "big")
_SERVER_NOTICES_LOSS = ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3")
"""A machine without power keeps its lock until the server misses it: after 25 s, instead of two hours."""


class ServerLock:
    """An advisory lock (https://www.postgresql.org/docs/current/explicit-locking.html). Release it in any case.

    A connection that breaks is opened again, and the lock is taken again, within a second of the server's return.

    Args:
        address: of the database.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._engine: AsyncEngine = postgresql_engine(address, _SERVER_SECONDS)
        self._connection: AsyncConnection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._warned = False

    async def take(self) -> bool:
        """Return whether it was free.

        Raises:
            ConfigurationError: the server does not answer as it should.
        """
        try:
            taken = await self._try()
        except (OSError, DBAPIError) as error:
            reason = outage_in(error)
            if reason is None:
                raise
            with refusals_of(self._address):
                raise DatabaseOutageError(reason) from error
        if taken:
            self._keeper = asyncio.create_task(self._keep(), name="database lock")
        return taken

    async def release(self) -> None:
        """Give it back."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._drop()
        await self._engine.dispose()

    async def _try(self) -> bool:
        if self._connection is None:
            self._connection = await self._engine.connect()
            driver_connection = (await self._connection.get_raw_connection()).driver_connection
            assert driver_connection is not None  # it has just been opened
            driver_connection.add_termination_listener(lambda _: self._lost.set())
            for setting in _SERVER_NOTICES_LOSS:
                await self._connection.execute(text(f"SET {setting}"))
        taken = await self._connection.scalar(text(f"SELECT pg_try_advisory_lock({_KEY})"))
        await self._connection.commit()  # the lock is the session's, and no transaction stays open
        return bool(taken)

    async def _keep(self) -> None:
        while True:
            await self._pause()
            try:
                await self._check()
            except Exception as error:
                if outage_in(error) is None:
                    logger.exception("Database lock cannot be checked")
                await self._drop()

    async def _pause(self) -> None:
        if self._connection is None:
            await asyncio.sleep(_CHECK_SECONDS if self._warned else _RETRY_SECONDS)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_SECONDS):  # a server may also fall silent
                await self._lost.wait()
        self._lost.clear()

    async def _check(self) -> None:
        if self._connection is not None:
            await self._connection.execute(text("SELECT 1"))
            await self._connection.commit()
        elif await self._try():
            self._warned = False
        else:
            await self._drop()
            if not self._warned:
                self._warned = True
                logger.error("Another bot uses the database too, stop one of them database=%s", self._address)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it may be broken already
                await connection.invalidate()
            with suppress(Exception):
                await connection.close()
