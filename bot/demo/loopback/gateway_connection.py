"""One websocket of the gateway, with frames in order and compressed on request."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import suppress

from aiohttp import ClientConnectionResetError, web

from bot.demo.loopback.values import Payload


class GatewayConnection:
    """Sends frames over a websocket in order, compressed as the client's address asks.

    With `compress=zlib-stream` every frame is one flush of one zlib stream. Any other value gets plain text, which
    every client accepts.
    """

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self._request = request
        self._socket = socket
        is_zlib = request.query.get("compress") == "zlib-stream"
        self._compressor = zlib.compressobj() if is_zlib else None
        self._outgoing: asyncio.Queue[Payload | int] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, frame: Payload) -> None:
        """Queue a frame."""
        self._outgoing.put_nowait(frame)

    def close_soon(self, code: int) -> None:
        """Close with a code after the queued frames."""
        self._outgoing.put_nowait(code)

    async def close(self, code: int) -> None:
        """Close with a code after the queued frames, and wait for it."""
        self.close_soon(code)
        await asyncio.wait([self._writer])

    def abort(self) -> None:
        """Cut the connection without a close frame, like a broken network."""
        self._writer.cancel()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def end(self) -> None:
        """Stop writing to the closed websocket."""
        self._writer.cancel()
        await asyncio.wait([self._writer])

    async def _write(self) -> None:
        # A client may go away while frames are queued. The reading side notices and ends the connection.
        with suppress(ClientConnectionResetError, ConnectionResetError):
            while True:
                outgoing = await self._outgoing.get()
                if isinstance(outgoing, int):
                    await self._socket.close(code=outgoing)
                    return
                await self._send(json.dumps(outgoing))

    async def _send(self, text: str) -> None:
        if self._compressor is None:
            await self._socket.send_str(text)
        else:
            data = self._compressor.compress(text.encode()) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
            await self._socket.send_bytes(data)
