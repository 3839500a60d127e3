"""A server that sends whatever a test says, to see what a download does with it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = b"x" * 65_536
_TYPE = b"Content-Type: text/plain\r\n"


def answer(head: str, body: bytes = b"") -> Callable[[], Iterable[bytes]]:
    """A status line with headers, and a body."""
    lines = head.replace("\n", "\r\n").encode()
    return lambda: [b"HTTP/1.1 " + lines + b"\r\n" + _TYPE + b"\r\n" + body]


def endless_chunks() -> Iterable[bytes]:
    """A body in chunks that never ends."""
    yield from answer("200 OK\nTransfer-Encoding: chunked")()
    while True:
        yield b"%x\r\n" % len(CHUNK) + CHUNK + b"\r\n"


def endless_body() -> Iterable[bytes]:
    """A body without a length that never ends."""
    yield from answer("200 OK\nConnection: close")()
    while True:
        yield CHUNK


def bomb() -> Iterable[bytes]:
    """200 MB in 200 kB, packed although nobody asked."""
    packer = zlib.compressobj(wbits=31)
    body = b"".join(packer.compress(CHUNK) for _ in range(3_200)) + packer.flush()
    yield from answer(f"200 OK\nContent-Encoding: gzip\nContent-Length: {len(body)}", body)()


def silence() -> Iterable[bytes]:
    """Half an answer, and then nothing more."""
    yield from answer("200 OK\nContent-Length: 5", b"Hel")()
    yield b""


@dataclass
class HostileServer:
    """Attributes:
    paths: the paths that were asked for.
    sent: the number of bytes that were sent.
    """

    url: str = ""
    send: Callable[[], Iterable[bytes]] = endless_chunks
    paths: list[str] = field(default_factory=list)
    sent: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            self.paths.append(request.split()[1].decode())
            for part in self.send():
                if not part:
                    await reader.read()  # until the client gives up
                writer.write(part)
                await writer.drain()
                self.sent += len(part)
        writer.transport.abort()


@asynccontextmanager
async def hostile_server() -> AsyncIterator[HostileServer]:
    hostile = HostileServer()
    server = await asyncio.start_server(hostile.serve, "127.0.0.1", 0)
    async with server:
        hostile.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield hostile
