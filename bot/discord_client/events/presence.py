"""Shows in the member list whether the bot is free."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import discord
from discord.ext import commands

from bot.serving.service import ModelService

logger = logging.getLogger(__name__)

# Discord takes 5 changes in 20 s: https://discord.com/developers/docs/events/gateway-events#update-presence
_SECONDS = 5.0

State = tuple[discord.Status, str]


class PresenceListener(commands.Cog):
    """Keeps the bot's presence up to date, with one change every few seconds at most.

    Args:
        client: shows it.
        serving: knows whether the engine runs, and how many questions there are.
    """

    def __init__(self, client: commands.Bot, serving: ModelService) -> None:
        self._client = client
        self._serving = serving
        self._shown: State | None = None
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Begin with the first connection."""
        self._task = asyncio.create_task(self._keep(), name="presence")

    async def cog_unload(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """A new session begins without a presence."""
        self._shown = None

    @commands.Cog.listener()
    async def on_resumed(self) -> None:
        """The last change may have been lost with the connection."""
        self._shown = None

    async def _keep(self) -> None:
        await self._client.wait_until_ready()
        while True:
            state = _state(self._serving)
            if state != self._shown:
                try:
                    await self._client.change_presence(status=state[0], activity=discord.CustomActivity(state[1]))
                    self._shown = state
                except (aiohttp.ClientError, OSError, discord.ConnectionClosed) as error:
                    logger.debug("Presence is shown after the next connection: cause=%s", error)
            await asyncio.sleep(_SECONDS)


def _state(serving: ModelService) -> State:
    queue = serving.answering.queue
    if serving.facts is None:
        return discord.Status.dnd, "Restarting my engine"
    if queue.idle:
        return discord.Status.online, "Free"
    answering = "Answering 1 question" if queue.running == 1 else f"Answering {queue.running:,} questions"
    if queue.waiting:
        return discord.Status.dnd, f"{answering}, {queue.waiting:,} waiting"
    return discord.Status.idle, answering
