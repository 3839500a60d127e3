"""Responses to commands that bring a file, and what comes instead where the bot may attach none."""

from __future__ import annotations

import io

import discord

from bot.discord_client.interaction_errors import refusals_logged
from bot.discord_client.replies.permission_lines import line_in_channel
from bot.discord_client.rest.permissions import ATTACH_FILES
from bot.discord_client.rest.refusal import refusal_of


async def respond_with_file(
    interaction: discord.Interaction, content: str, file_name: str, data: bytes, *, without_file: str = ""
) -> None:
    """Bring the deferred response to a command.

    Args:
        without_file: the content where Discord takes no file; a line that names the permission follows it.
    """
    file = discord.File(io.BytesIO(data), file_name)
    try:
        await interaction.edit_original_response(content=content, attachments=[file])
    except discord.Forbidden as error:
        refusal = refusal_of(error)
        if refusal is None or not refusal.of_permission:
            raise
        with refusals_logged(interaction):
            lines = filter(None, (without_file, line_in_channel(ATTACH_FILES)))
            await interaction.edit_original_response(content="\n".join(lines))
