"""A line to a PostgreSQL server that a test can cut, or let go silent."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sqlalchemy import URL, make_url


class LineToServer:
    """Passes bytes between clients and a server.

    Args:
        url: of the server's database.
    """

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()

    @property
    def url(self) -> str:
        """The database's address by this line."""
        url: URL = self._target.set(host="127.0.0.1", port=self._port)
        return url.render_as_string(hide_password=False)

    async def open(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break all connections, and refuse new ones."""
        self._speaks.set()
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def fall_silent(self) -> None:
        """Keep connections, and take new ones, but pass no answers of the server on."""
        self._speaks.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._target.host, self._target.port)
        ends = {writer, server_writer}
        self._writers |= ends
        with suppress(OSError):
            await asyncio.gather(
                self._pass_questions_on(reader, server_writer), self._pass_answers_on(server_reader, writer)
            )
        for end in ends:
            end.close()
        self._writers -= ends

    async def _pass_questions_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
        target.close()

    async def _pass_answers_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._speaks.wait()
            target.write(data)
            await target.drain()
        target.close()
