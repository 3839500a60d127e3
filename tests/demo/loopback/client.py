"""A raw client of the loopback Discord's REST API, with the bot's token and without discord.py's retries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.demo.loopback import LoopbackDiscord


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> int:
        """Discord's error code; 0 without one."""
        return int(self.body.get("code", 0)) if isinstance(self.body, dict) else 0


class RawClient:
    def __init__(self, server: LoopbackDiscord, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        async with self._session.request(method, self._server.api_url + path, json=body) as response:
            is_json = response.content_type == "application/json"
            return Answer(response.status, response.headers, await (response.json() if is_json else response.text()))

    async def send(self, channel_id: int, content: str = "text", **fields: Any) -> Answer:
        return await self.call("POST", f"/channels/{channel_id}/messages", {"content": content, **fields})

    async def edit(self, channel_id: int, message_id: int, content: str = "edited", **fields: Any) -> Answer:
        path = f"/channels/{channel_id}/messages/{message_id}"
        return await self.call("PATCH", path, {"content": content, **fields})

    async def send_file(self, method: str, path: str) -> Answer:
        form = aiohttp.FormData({"payload_json": '{"content": "with a file"}'}, quote_fields=False)
        form.add_field("files[0]", b"42", filename="answer.txt", content_type="text/plain")
        async with self._session.request(method, self._server.api_url + path, data=form) as response:
            return Answer(response.status, response.headers, await response.json())


@asynccontextmanager
async def raw_client(server: LoopbackDiscord) -> AsyncIterator[RawClient]:
    headers = {"Authorization": f"Bot {server.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield RawClient(server, session)
