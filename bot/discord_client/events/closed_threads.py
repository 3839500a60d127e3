"""Commands and clicks in closed threads, which the client does not know."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from bot.discord_client.channel_scopes import ChannelScopes


class ClosedThreadListener(commands.Cog):
    """Learns from each interaction where its thread belongs, so that the persona of its channel applies there.

    Args:
        scopes: maps threads to their channels.
    """

    def __init__(self, scopes: ChannelScopes) -> None:
        self._scopes = scopes

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """A member uses a command, a button or a form."""
        self._scopes.note(interaction.channel)
