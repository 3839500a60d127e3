"""Bounds each HTTP request of discord.py, which itself waits five minutes for an answer, and passes its response on.

Only the request is bounded and not the whole call: between tries discord.py sleeps for as long as Discord's rate limit
says. That sleep must not be cancelled: after a global limit, discord.py would hold up all its requests for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from types import SimpleNamespace

import aiohttp

_SECONDS = 30.0

_limit: ContextVar[asyncio.Timeout | None] = ContextVar("_limit", default=None)
on_response: ContextVar[Callable[[aiohttp.TraceRequestEndParams], None] | None] = ContextVar(
    "on_response", default=None
)
"""Called with each response, before discord.py sleeps for a limit that it has used up or exceeded."""


@asynccontextmanager
async def request_time_limit() -> AsyncIterator[None]:
    """Give up on an HTTP request of the block that Discord does not answer.

    Raises:
        TimeoutError: a request got no answer within 30 s.
    """
    async with asyncio.timeout(None) as limit:
        token = _limit.set(limit)
        try:
            yield
        finally:
            _limit.reset(token)


def request_trace(on_status: Callable[[int | None], None]) -> aiohttp.TraceConfig:
    """The trace that a client needs for `request_time_limit`, as its `http_trace`.

    Args:
        on_status: called with the status of each response; None: there was none.
    """

    async def end(
        _session: aiohttp.ClientSession, _context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        on_status(end.response.status)

    async def stop(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
        on_status(None)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_start)
    trace.on_request_end.extend((end, _end))
    trace.on_request_exception.extend((stop, _stop))
    return trace


async def _start(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
    _reschedule(asyncio.get_running_loop().time() + _SECONDS)


async def _end(_session: aiohttp.ClientSession, _context: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
    _reschedule(None)
    if (call := on_response.get()) is not None:
        call(end)


async def _stop(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
    _reschedule(None)


def _reschedule(at: float | None) -> None:
    limit = _limit.get()
    if limit is not None and not limit.expired():
        limit.reschedule(at)
