"""A TCP proxy in front of a PostgreSQL server, for tests that break the connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sqlalchemy import URL, make_url


class ServerProxy:
    """Forwards bytes between clients and a server until a test cuts or silences it.

    Args:
        url: the database's address at the server.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._server_speaks = asyncio.Event()
        self._server_speaks.set()

    @property
    def url(self) -> str:
        """The database's address at the proxy."""
        url: URL = self._target.set(host="127.0.0.1", port=self._port)
        return url.render_as_string(hide_password=False)

    async def open(self) -> None:
        """Accept connections, after a `cut` on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Abort all connections and refuse new ones."""
        self._server_speaks.set()
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def fall_silent(self) -> None:
        """Keep connections open and accept new ones, but hold the server's answers back."""
        self._server_speaks.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._target.host, self._target.port)
        ends = {writer, server_writer}
        self._writers |= ends
        with suppress(OSError):
            await asyncio.gather(
                self._forward_queries(reader, server_writer), self._forward_results(server_reader, writer)
            )
        for end in ends:
            end.close()
        self._writers -= ends

    async def _forward_queries(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()

    async def _forward_results(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._server_speaks.wait()
            target.write(data)
            await target.drain()
        target.close()
