"""A service manager's end of the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

_PATIENCE_SECONDS = 240
_LONGEST_MESSAGE = 65_536


class ManagerSocket:
    """Receives what a bot sends to its service manager.

    Args:
        address: a path, or a name that begins with `@`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._messages: asyncio.Queue[list[str]] = asyncio.Queue()

    async def __aenter__(self) -> ManagerSocket:
        self._socket.bind(self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address)
        self._socket.setblocking(False)
        # At once, because few messages fit into a socket: net.unix.max_dgram_qlen.
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self

    async def __aexit__(self, *_error: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def next(self) -> list[str]:
        """Wait for a message, and return its lines."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await self._messages.get()

    async def until(self, line: str) -> list[str]:
        """Wait for a message with this line, and return all lines up to that message's end."""
        lines: list[str] = []
        while line not in lines:
            lines += await self.next()
        return lines

    def waiting(self) -> list[list[str]]:
        """Take the messages that have arrived."""
        self._read()
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._messages.put_nowait(self._socket.recv(_LONGEST_MESSAGE).decode().split("\n"))
