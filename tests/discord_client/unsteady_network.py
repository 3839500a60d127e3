"""A network that loses connections, between discord.py and a loopback Discord."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import ClientSession, web

from bot.demo.loopback import LoopbackDiscord

Loss = Literal["request", "answer"]
_NONCE = re.compile(rb'"nonce":"([^"]+)"')
_FORWARDED_HEADERS = ("authorization", "content-type")
_RETURNED_HEADERS = ("via", "retry-after", "x-ratelimit-global", "x-ratelimit-scope")


class UnsteadyNetwork:
    """Forwards REST calls, and resets the connection of some.

    Like Discord, it answers a repeated nonce with the message that was sent first.

    Attributes:
        url: replaces the server's `api_url`.
        losses: what the next calls that change messages lose: the request, its answer, or, with None, nothing.
        bodies: the body of each call that sends a message.
    """

    def __init__(self, api_url: str) -> None:
        self.url = ""
        self.losses: deque[Loss | None] = deque()
        self.bodies: list[str] = []
        self._api_url = api_url
        self._session: ClientSession | None = None
        self._by_nonce: dict[bytes, bytes] = {}

    async def start(self, runner: web.AppRunner, session: ClientSession) -> None:
        self._session = session
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def serve(self, request: web.Request) -> web.Response:
        changes_a_message = request.method in ("POST", "PATCH") and "/messages" in request.path
        loss = self.losses.popleft() if changes_a_message and self.losses else None
        if loss == "request":
            return self._reset(request)
        response = await self._forward(request)
        return self._reset(request) if loss == "answer" else response

    async def _forward(self, request: web.Request) -> web.Response:
        assert self._session is not None
        body = await request.read()
        if request.method == "POST" and request.path.endswith("/messages"):
            self.bodies.append(body.decode())
        # The body is JSON, or a form with a JSON part.
        found = _NONCE.search(body)
        nonce = found[1] if found and b'"enforce_nonce":true' in body else None
        if nonce is not None and nonce in self._by_nonce:
            return web.Response(body=self._by_nonce[nonce], content_type="application/json")
        headers = {name: value for name, value in request.headers.items() if name.lower() in _FORWARDED_HEADERS}
        url = self._api_url + request.rel_url.raw_path_qs
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            content = await answer.read()
            if nonce is not None and answer.status == 200:
                self._by_nonce[nonce] = content
            returned = {name: value for name, value in answer.headers.items() if name.lower() in _RETURNED_HEADERS}
            return web.Response(body=content, status=answer.status, content_type=answer.content_type, headers=returned)

    @staticmethod
    def _reset(request: web.Request) -> web.Response:
        assert isinstance(request.transport, asyncio.Transport)
        request.transport.abort()
        return web.Response()


@asynccontextmanager
async def unsteady_network(server: LoopbackDiscord) -> AsyncIterator[UnsteadyNetwork]:
    network = UnsteadyNetwork(server.api_url)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", network.serve)
    runner = web.AppRunner(application, shutdown_timeout=1.0, access_log=None)
    async with ClientSession() as session:
        await network.start(runner, session)
        try:
            yield network
        finally:
            await runner.cleanup()
