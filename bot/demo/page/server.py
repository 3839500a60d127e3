"""Serves the demo page and its websockets."""

from __future__ import annotations

from pathlib import Path

from aiohttp import WSCloseCode, web

from bot.demo.loopback import LoopbackDiscord
from bot.demo.page.access import AccessGuard
from bot.demo.page.page_connection import PageConnection

_STATIC = Path(__file__).parent / "static"
_LARGEST_REQUEST = 16 * 1024 * 1024  # in bytes: 10 MiB of files in base64, and some text
_HEARTBEAT_SECONDS = 20.0


class DemoPage:
    """A web page on 127.0.0.1 where people act as members of a loopback Discord."""

    def __init__(self, discord: LoopbackDiscord) -> None:
        """Create the page.

        Args:
            discord: a started server, which the page does not close.
        """
        self._discord = discord
        self._guard = AccessGuard()
        self._files = {path.name: path for path in _STATIC.iterdir()}
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0) -> str:
        """Start serving and return the page's address, which is a secret: it opens the page.

        Args:
            port: a port of 127.0.0.1, or 0 for any free one.

        Raises:
            OSError: the port is taken.
        """
        application = web.Application()
        self._guard.protect(application)
        application.router.add_get("/{secret}/", self._index)
        application.router.add_get("/{secret}/static/{name}", self._static)
        application.router.add_get("/{secret}/socket", self._socket)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/{self._guard.secret}/"

    async def close(self) -> None:
        """Tell every open page that the demo has ended, and stop serving. May be called twice."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._files["index.html"])

    async def _static(self, request: web.Request) -> web.StreamResponse:
        path = self._files.get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        self._guard.check_origin(request)
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_LARGEST_REQUEST)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await PageConnection(self._discord, socket).run()
        finally:
            self._sockets.discard(socket)
        return socket
