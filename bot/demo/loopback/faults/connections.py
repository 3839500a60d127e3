"""What can happen to a REST call's connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from enum import StrEnum

from aiohttp import web

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ConnectionFault(StrEnum):
    """What happens to a call's connection. After those with `_AFTER`, the work is done, and only the response lost."""

    RESET = "reset"
    """The connection is reset: `aiohttp.ClientOSError`."""
    RESET_AFTER = "reset_after"
    DISCONNECT = "disconnect"
    """The connection is closed: `aiohttp.ServerDisconnectedError`."""
    DISCONNECT_AFTER = "disconnect_after"
    HANG = "hang"
    """No response comes until the client gives up or the fault ends."""
    HANG_AFTER = "hang_after"
    SLOW = "slow"
    """The work is done at once, and the response comes late."""

    @property
    def does_the_work(self) -> bool:
        """Whether the call has its effect."""
        return self in (
            ConnectionFault.RESET_AFTER,
            ConnectionFault.DISCONNECT_AFTER,
            ConnectionFault.HANG_AFTER,
            ConnectionFault.SLOW,
        )

    @property
    def loses_the_response(self) -> bool:
        """Whether no response reaches the client."""
        return self is not ConnectionFault.SLOW


class HangingCalls:
    """The calls that are not answered. Each is reset when its fault ends."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    async def hang(self) -> None:
        """Wait until `release`."""
        await self._released.wait()

    def release(self) -> None:
        """End every wait."""
        self._released.set()
        self._released = asyncio.Event()


async def break_connection(request: web.Request, fault: ConnectionFault, seconds: float, hanging: HangingCalls) -> None:
    """Let a fault happen to a call's connection.

    Args:
        seconds: the delay of a slow response.
    """
    if fault is ConnectionFault.SLOW:
        await asyncio.sleep(seconds)
    elif fault in (ConnectionFault.DISCONNECT, ConnectionFault.DISCONNECT_AFTER):
        cut(request, reset=False)
    else:
        if fault in (ConnectionFault.HANG, ConnectionFault.HANG_AFTER):
            await hanging.hang()
        cut(request)


def cut(request: web.Request, *, reset: bool = True) -> None:
    """Close a call's connection at once; with `reset`, so that its client gets a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
