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
_PASSED_ON = ("authorization", "content-type")


class UnsteadyLine:
    """Passes REST calls on, except for those whose connection it resets.

    Like Discord, it takes a second message with the nonce of an earlier one for the same message.

    Attributes:
        url: what stands in for the server's `api_url`.
        losses: what happens to the next calls that change messages: the request or its answer is lost, or, with
            None, nothing.
        bodies: what each call that sends a message held.
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
        response = await self._pass_on(request)
        return self._reset(request) if loss == "answer" else response

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert self._session is not None
        body = await request.read()
        if request.method == "POST" and request.path.endswith("/messages"):
            self.bodies.append(body.decode())
        # In JSON, or in a form's part that is JSON.
        found = _NONCE.search(body)
        nonce = found[1] if found and b'"enforce_nonce":true' in body else None
        if nonce is not None and nonce in self._by_nonce:
            return web.Response(body=self._by_nonce[nonce], content_type="application/json")
        headers = {name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON}
        url = self._api_url + request.rel_url.raw_path_qs
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            content = await answer.read()
            if nonce is not None and answer.status == 200:
                self._by_nonce[nonce] = content
            return web.Response(body=content, status=answer.status, content_type=answer.content_type)

    @staticmethod
    def _reset(request: web.Request) -> web.Response:
        assert isinstance(request.transport, asyncio.Transport)
        request.transport.abort()
        return web.Response()


@asynccontextmanager
async def unsteady_line(server: LoopbackDiscord) -> AsyncIterator[UnsteadyLine]:
    line = UnsteadyLine(server.api_url)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", line.serve)
    runner = web.AppRunner(application, shutdown_timeout=1.0, access_log=None)
    async with ClientSession() as session:
        await line.start(runner, session)
        try:
            yield line
        finally:
            await runner.cleanup()
