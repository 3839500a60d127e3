"""`/help`."""

from __future__ import annotations

from collections.abc import Callable

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_client.commands.everywhere import everywhere


class HelpCommands(commands.Cog):
    """Shows what the bot can do.

    Args:
        help_text: writes the text.
    """

    def __init__(self, help_text: Callable[[], str]) -> None:
        self._help_text = help_text

    @app_commands.command()
    @everywhere
    async def help(self, interaction: discord.Interaction) -> None:
        """Show what I can do, my limits, and what I cannot do."""
        await interaction.response.send_message(self._help_text(), ephemeral=True)
