"""Reports a failed command, button or form to the member who used it, and to the log."""

from __future__ import annotations

import logging
from typing import Any

import discord

logger = logging.getLogger(__name__)


async def report_error(interaction: discord.Interaction[Any], error: Exception) -> None:
    """Log a failed interaction and reply to its member."""
    logger.error("Interaction failed: %s", error, exc_info=error)
    line = "That failed because of an error in the bot. Try again, or tell whoever runs it."
    if interaction.response.is_done():
        await interaction.followup.send(line, ephemeral=True)
    else:
        await interaction.response.send_message(line, ephemeral=True)
