"""Faults and outages of the loopback Discord."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.demo.loopback.api_calls import Limit
from bot.demo.loopback.faults.connections import ConnectionFault
from bot.demo.loopback.faults.event_faults import LOST, TWICE
from bot.demo.loopback.faults.rest_faults import BrokenConnection, Outage, Refusal
from bot.demo.loopback.gateway import Gateway
from bot.demo.loopback.rest import RestApi


class FaultActions:
    """The part of `LoopbackDiscord` through which tests break things.

    A fault happens `times` times, or until `end_faults` if that is None. Faults of one kind happen in the order in
    which they were planned.
    """

    _rest: RestApi
    _gateway: Gateway

    def fail_next(
        self,
        method: str,
        path_glob: str,
        status: int,
        times: int | None = 1,
        retry_after: float | None = None,
        *,
        code: int | None = None,
        message: str | None = None,
        limit: Limit = Limit.CHANNEL,
    ) -> None:
        """Answer the next matching REST calls with an error.

        Args:
            method: the HTTP method, or `*` for any.
            path_glob: a shell pattern for the path after `/api/v10`, such as `/channels/*/messages`. `*` matches
                slashes too. Downloads have paths below `/cdn/`.
            status: the HTTP status. 429 has the body of Discord's rate limit; 500 and above have no JSON, like the
                error of a proxy, unless a code or a message is given.
            retry_after: for 429, in seconds; 1 if None.
            code: Discord's error code; None for the usual one of this status.
            message: the error's text; None for the usual one.
            limit: for 429, whose limit it is.
        """
        refusal = Refusal(status, 1.0 if retry_after is None else retry_after, code, message, limit)
        self._rest.faults.add(method, path_glob, times, refusal)

    def break_next(
        self, method: str, path_glob: str, how: ConnectionFault, times: int | None = 1, *, seconds: float = 2.0
    ) -> None:
        """Break the connections of the next matching REST calls.

        Args:
            method: as for `fail_next`; also `path_glob`.
            seconds: the delay of a slow response.
        """
        self._rest.faults.add(method, path_glob, times, BrokenConnection(how, seconds))

    async def start_outage(self, *, rest: Outage | None = Outage.RESET, gateway: bool = True) -> None:
        """Make Discord unreachable until `end_outage`.

        Args:
            rest: what REST calls and downloads get; None leaves them alone.
            gateway: whether to cut every connection of the gateway and to reset new ones.
        """
        if rest is not None:
            self._rest.faults.outage = rest
        if gateway:
            self._gateway.faults.is_outage = True
            await self._gateway.drop()

    def end_outage(self, *, rest: bool = True, gateway: bool = True) -> None:
        """End the outage, or a part of it. REST calls that hang are reset."""
        if rest:
            self._rest.faults.end_outage()
        if gateway:
            self._gateway.faults.is_outage = False

    @asynccontextmanager
    async def outage(self, *, rest: Outage | None = Outage.RESET, gateway: bool = True) -> AsyncIterator[None]:
        """Make Discord unreachable inside the block; see `start_outage`."""
        await self.start_outage(rest=rest, gateway=gateway)
        try:
            yield
        finally:
            self.end_outage()

    async def drop_gateway(self) -> None:
        """Cut every gateway connection without a close frame, like a broken network, and wait until they are gone.

        The session stays: a bot that resumes gets the events it missed.
        """
        await self._gateway.drop()

    async def invalidate_session(self) -> None:
        """Cut every gateway connection and drop its session.

        A resume fails, so the bot identifies again, and its `on_ready` fires a second time.
        """
        await self._gateway.drop(forget=True)

    def lose_events(self, event_glob: str, times: int | None = 1) -> None:
        """Never deliver the next matching gateway events, not by a resume either.

        Args:
            event_glob: a shell pattern for names such as `MESSAGE_CREATE`.
        """
        self._gateway.faults.add(event_glob, times, LOST)

    def double_events(self, event_glob: str, times: int | None = 1) -> None:
        """Deliver each of the next matching gateway events twice."""
        self._gateway.faults.add(event_glob, times, TWICE)

    def delay_events(self, event_glob: str, seconds: float, times: int | None = 1) -> None:
        """Deliver the next matching gateway events late. Others overtake them."""
        self._gateway.faults.add(event_glob, times, (seconds,))

    def end_faults(self) -> None:
        """Forget every fault that is still to come, and reset the REST calls that hang. An outage goes on."""
        self._rest.faults.clear()
        self._gateway.faults.clear()
