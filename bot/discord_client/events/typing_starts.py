"""Somebody begins to type: the engine gets ready for the conversation."""

from __future__ import annotations

import asyncio

import discord
from discord.ext import commands

from bot.answering.prefill_ahead import PrefillAhead
from bot.discord_client.channel_scopes import ChannelScopes


class TypingCog(commands.Cog):
    """Lets the recent conversations be read ahead for as long as it is loaded, where somebody types first of all."""

    def __init__(self, client: commands.Bot, prefill_ahead: PrefillAhead, scopes: ChannelScopes) -> None:
        self._client = client
        self._prefill_ahead = prefill_ahead
        self._scopes = scopes
        self._task: asyncio.Task[None] | None = None

    async def cog_load(self) -> None:
        """Begin to read ahead."""
        self._task = asyncio.create_task(self._run_prefill_ahead(), name="reading ahead")

    async def cog_unload(self) -> None:
        """Stop reading ahead."""
        if self._task is not None:
            self._task.cancel()

    @commands.Cog.listener()
    async def on_raw_typing(self, payload: discord.RawTypingEvent) -> None:
        """Somebody types in a channel, a thread or a direct message."""
        private = payload.guild_id is None
        person_id = 0 if private else payload.user_id
        self._prefill_ahead.expect(self._scopes.key(discord.Object(payload.channel_id), person_id))

    async def _run_prefill_ahead(self) -> None:
        # Which persona holds in a channel is known once Discord has told what channels there are.
        await self._client.wait_until_ready()
        await self._prefill_ahead.run()
