"""A member who starts to type is about to ask something."""

from __future__ import annotations

import discord
from discord.ext import commands

from bot.answering.prefill_ahead import PrefillAhead
from bot.discord_client.channel_scopes import ChannelScopes


class TypingListener(commands.Cog):
    """Has the conversation prefilled or loaded in which a member starts to type.

    Args:
        prefill_ahead: does that as soon as the engine can.
        scopes: maps channels to conversations.
    """

    def __init__(self, prefill_ahead: PrefillAhead, scopes: ChannelScopes) -> None:
        self._prefill_ahead = prefill_ahead
        self._scopes = scopes

    @commands.Cog.listener()
    async def on_raw_typing(self, payload: discord.RawTypingEvent) -> None:
        """A member types in a channel, a thread or a direct message."""
        private = payload.guild_id is None
        member_id = 0 if private else payload.user_id
        self._prefill_ahead.expect(self._scopes.key(discord.Object(payload.channel_id), member_id))
