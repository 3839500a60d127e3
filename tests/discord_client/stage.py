"""A real client on a loopback Discord, over a network that loses connections on demand.

discord.py takes two seconds to connect, so all tests share the client, each in a channel of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import discord

from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.discord_client.client import PhiClient
from tests.discord_client.unsteady_network import UnsteadyNetwork, unsteady_network


@dataclass(frozen=True)
class Stage:
    """The server, the client, the network between them, and a channel without messages.

    Ada owns the guild and may do everything; Grace and Linus are ordinary members.
    """

    server: LoopbackDiscord
    client: PhiClient
    network: UnsteadyNetwork
    channel: int = 0

    async def with_fresh_channel(self) -> Stage:
        thread = await self.server.create_thread(self.person("Ada"), self.server.channels[0].id, "a test")
        return replace(self, channel=thread)

    def person(self, name: str) -> int:
        return next(person.id for person in self.server.people if person.name == name)

    async def say(self, content: str, *, by: str = "Grace", channel: int | None = None, **more: Any) -> discord.Message:
        """Send a message as a member and return it as the client received it."""
        channel = channel or self.channel
        return await self.receive(self.server.send(self.person(by), channel, content, **more), channel=channel)

    async def receive(
        self, sending: Awaitable[object], *, channel: int | None = None, is_reply: bool = False
    ) -> discord.Message:
        """Await what makes a message appear in a channel, and return the message as the client received it.

        Args:
            sending: sends the message.
            channel: where it appears; None for the stage's channel.
            is_reply: wait for a reply; other messages may arrive before it.
        """
        channel = channel or self.channel

        def is_awaited(message: discord.Message) -> bool:
            return message.channel.id == channel and (message.type is discord.MessageType.reply or not is_reply)

        received: asyncio.Future[discord.Message] = asyncio.ensure_future(
            self.client.wait_for("message", check=is_awaited, timeout=10)
        )
        await asyncio.sleep(0)
        await sending
        return await received

    def replies(self) -> list[dict[str, Any]]:
        """The bot's messages in the channel, as Ada sees them."""
        messages = self.server.messages(self.person("Ada"), self.channel)
        return [message for message in messages if int(message["author"]["id"]) == self.server.bot.id]

    def texts(self) -> list[str]:
        return [reply["content"] for reply in self.replies()]


@asynccontextmanager
async def on_stage() -> AsyncIterator[Stage]:
    async with LoopbackDiscord() as server, unsteady_network(server) as network:
        client = PhiClient(message_content_intent=False)
        addresses: Any = SimpleNamespace(api_url=network.url, gateway_url=server.gateway_url, cdn_url=server.cdn_url)
        with connect_discord_py(addresses):
            running = asyncio.create_task(client.start(server.bot_token))
            try:
                await server.wait_for(lambda: server.bot_online or running.done())
                if running.done():
                    await running
                await client.wait_until_ready()
                yield Stage(server, client, network)
            finally:
                await client.close()
                await asyncio.wait([running])
