"""`/export`: a member takes their conversation along."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.conversation.conversations import Conversations
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.commands.attached_file import respond_with_file
from bot.discord_client.commands.everywhere import everywhere
from bot.discord_client.commands.exported_conversation import exported_conversation

_FILE_NAME = "conversation.md"
_NOTHING = "I remember no question of yours here. Ask me something, then use `/export` again."
_UNKNOWN = "The database is unavailable, so I cannot see what you asked me here. Try again in a few minutes."
_ALL = "These are your questions that I still remember here, with my answers."
_SOME = "The database is unavailable, so older questions may be missing. Try again in a few minutes."


class ExportCommands(commands.Cog):
    """The slash command that writes a file.

    Args:
        conversations: know what was said.
        scopes: maps channels to conversations.
    """

    def __init__(self, conversations: Conversations, scopes: ChannelScopes) -> None:
        self._conversations = conversations
        self._scopes = scopes

    @app_commands.command()
    @everywhere
    async def export(self, interaction: discord.Interaction) -> None:
        """Get your questions here, with my answers, as a file."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        turns, past_known = await self._conversations.turns_by(interaction.user.id, self._scopes.keys(interaction))
        if not turns:
            await interaction.edit_original_response(content=_NOTHING if past_known else _UNKNOWN)
            return
        content = exported_conversation(turns, _place(interaction), interaction.created_at, interaction.filesize_limit)
        await respond_with_file(interaction, _ALL if past_known else _SOME, _FILE_NAME, content)


def _place(interaction: discord.Interaction) -> str:
    if interaction.guild_id is None:
        return "direct messages"
    name = getattr(interaction.channel, "name", None)  # unknown where the bot is no member
    return f"#{name}" if name else "a channel"
