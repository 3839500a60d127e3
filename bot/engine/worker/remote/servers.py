"""Which server gets which conversation, and which servers are left out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Protocol

from bot.engine.worker.backends.backend import one_line
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.errors import (
    RequestRefusedError,
    ServerBusyError,
    ServerDownError,
    ServerLoadingError,
    ServerLostError,
)
from bot.engine.worker.remote.server import Learned, Server

_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Back-off before a lost server is asked again; the last one repeats."""

_LOADING_POLL_SECONDS = 0.5

_LATE_SECONDS = 10.0
"""How long the start waits for the other servers once one can be used."""

_BUSY_SECONDS = (1.0, 2.0, 4.0, 8.0)
_LEAST_BUSY_SECONDS = 0.2
_MOST_BUSY_SECONDS = 60.0


class LearnsServers(Protocol):
    """Learns what a server says about itself, such as `bot.engine.worker.remote.learning.Learner`."""

    async def learn(self, connection: Connection) -> Learned:
        """Raises ServerLostError if the server cannot be used."""
        ...


class Servers:
    """The servers, in one event loop.

    Args:
        connections: to all of them.
        learner: learns about a server before it is used, and again before it is used again.

    Attributes:
        on_warning: receives one line for each server that is left out, or back.
        running: how many requests run on each server, by its URL.
        least_context: tokens that conversations may have by now, which a server that returns must hold, too.
    """

    def __init__(self, connections: Iterable[Connection], learner: LearnsServers) -> None:
        self._connections = tuple(connections)
        self._learner = learner
        self.on_warning: Callable[[str], None] = lambda _: None
        self._usable: dict[str, Server] = {}
        self.running: dict[str, int] = {connection.url: 0 for connection in self._connections}
        self.least_context = 0
        self._busy_until: dict[str, float] = {}
        self._busy_times: dict[str, int] = {}
        self._returning: set[asyncio.Task[None]] = set()

    async def learn_all(self, loading_seconds: float = 120.0) -> list[ServerLostError]:
        """Learn about all servers; return why some cannot be used, which are then asked again later.

        Args:
            loading_seconds: how long to wait for the first one, if there are only some that still load their model.
        """
        deadline = time.monotonic() + loading_seconds
        while True:
            found = await self._try_all()
            errors = [error for error in found if error is not None]
            is_loading = any(isinstance(error, ServerLoadingError) for error in errors)
            if self._usable or not is_loading or time.monotonic() > deadline:
                break
            await asyncio.sleep(_LOADING_POLL_SECONDS)
        for connection, error in zip(self._connections, found, strict=True):
            if error is not None:
                self._ask_again(connection, str(error))
        return errors

    @property
    def usable(self) -> list[Server]:
        """The servers that are not left out."""
        return list(self._usable.values())

    @property
    def streams(self) -> int:
        """How many requests run on servers, also on those that are left out."""
        return sum(self.running.values())

    @property
    def are_complete(self) -> bool:
        """Whether no server is left out."""
        return len(self._usable) == len(self._connections)

    @property
    def model_warning(self) -> str | None:
        """A line if the usable servers name their models differently; nothing else shows that they are not the same."""
        names = {each.connection.url: each.learned.short_model for each in self.usable}
        if len({name.removesuffix(".gguf").casefold() for name in names.values()}) < 2:
            return None
        listed = ", ".join(f"{url}: {name}" for url, name in names.items())
        return f"The servers name their models differently ({listed}); let them serve the same one, under one name"

    def choose(self, conversation: str) -> Server | None:
        """The server for a request; None while all are busy or left out.

        A conversation keeps its server, and only those of a lost server move. A request without a conversation goes
        where the fewest run.
        """
        now = time.monotonic()
        free = {url: each for url, each in self._usable.items() if self._busy_until.get(url, 0.0) <= now}
        if not free:
            return None
        if not conversation:
            return free[min(free, key=lambda url: self.running[url])]
        return free[rank(conversation, free)[0]]

    def began(self, server: Server) -> None:
        """Note that a request runs on a server."""
        self.running[server.connection.url] += 1

    def ended(self, server: Server) -> None:
        """Note that it does not any more."""
        self.running[server.connection.url] -= 1

    def answered(self, server: Server) -> None:
        """Note that a server takes requests."""
        self._busy_times.pop(server.connection.url, None)

    def pause(self, server: Server, seconds: float | None) -> float:
        """Give a busy server no more requests for a while, and return for how many seconds."""
        url = server.connection.url
        times = self._busy_times.get(url, 0)
        self._busy_times[url] = times + 1
        wanted = _BUSY_SECONDS[min(times, len(_BUSY_SECONDS) - 1)] if seconds is None else seconds
        pause = min(max(wanted, _LEAST_BUSY_SECONDS), _MOST_BUSY_SECONDS)
        self._busy_until[url] = time.monotonic() + pause
        return pause

    async def wait_for_busy(self) -> None:
        """Wait until the first busy server may be asked again."""
        until = min((self._busy_until.get(url, 0.0) for url in self._usable), default=0.0)
        await asyncio.sleep(max(until - time.monotonic(), 0.0))

    def lose(self, server: Server, reason: str) -> None:
        """Leave a server out until it can be used again."""
        url = server.connection.url
        if self._usable.get(url) is not server:
            return  # another request noticed it, too
        del self._usable[url]
        self.on_warning(f"Server left out: {reason}")
        self._ask_again(server.connection, reason)

    async def close(self) -> None:
        """Close all connections."""
        for task in self._returning:
            task.cancel()
        await asyncio.gather(*self._returning, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self._connections))

    def _ask_again(self, connection: Connection, reason: str) -> None:
        task = asyncio.create_task(self._return(connection, reason))
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)

    async def _return(self, connection: Connection, reason: str) -> None:
        """Take a server in again as soon as it can be used; say why it cannot, if that changes."""
        tries = 0
        while True:
            await asyncio.sleep(_RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)])
            tries += 1
            if (error := await self._try(connection)) is None:
                self.on_warning(f"Server is back: {connection.url}")
                if (line := self.model_warning) is not None:
                    self.on_warning(line)
                return
            if str(error) != reason and not isinstance(error, ServerLoadingError):
                reason = str(error)
                self.on_warning(f"Server left out: {reason}")

    async def _try_all(self) -> list[ServerLostError | None]:
        """Learn about all servers; one that is late does not keep the others waiting."""
        tries = [asyncio.create_task(self._try(each)) for each in self._connections]
        late = set(tries)
        try:
            while late and not self._usable:
                _, late = await asyncio.wait(late, return_when=asyncio.FIRST_COMPLETED)
            if late:
                _, late = await asyncio.wait(late, timeout=_LATE_SECONDS)
        finally:
            for each in tries:
                each.cancel()
            await asyncio.wait(tries)
        return [
            ServerDownError(f"{connection.url} has not answered within {_LATE_SECONDS:g} s; look at its log")
            if each in late
            else each.result()
            for connection, each in zip(self._connections, tries, strict=True)
        ]

    async def _try(self, connection: Connection) -> ServerLostError | None:
        """Learn about a server; return why it cannot be used, if so."""
        try:
            learned = await self._learn(connection)
            if learned.context is not None and learned.context < self.least_context:
                raise ServerLostError(
                    f"{connection.url} holds {learned.context} tokens of a conversation, which may have "
                    f"{self.least_context} by now; reload the model, or give it as many"
                )
            self._usable[connection.url] = Server(connection, learned)
        except ServerLostError as error:
            return error
        return None

    async def _learn(self, connection: Connection) -> Learned:
        try:
            return await self._learner.learn(connection)
        except (ServerBusyError, RequestRefusedError) as error:
            raise ServerLostError(f"{connection.url} does not say what it serves: {error}") from error
        except ServerLostError:
            raise
        except Exception as error:  # whatever a server makes a library raise concerns this server alone
            raise ServerLostError(f"{connection.url} cannot be asked ({one_line(error)}); look at its log") from error


def rank(conversation: str, urls: Iterable[str]) -> list[str]:
    """Order servers for a conversation, its own first, by rendezvous hashing: each keeps its place if others go."""

    def weight(url: str) -> bytes:
        return blake2b(f"{conversation} {url}".encode("utf-8", "replace"), digest_size=8).digest()

    return sorted(urls, key=weight, reverse=True)
