"""What a person is told when a command, a button or a form fails."""

from __future__ import annotations

import logging
from typing import Any

import discord

logger = logging.getLogger(__name__)


async def tell_error(interaction: discord.Interaction[Any], error: Exception) -> None:
    """The one place where a failed interaction is logged and the person is told."""
    logger.error("An interaction failed: %s", error, exc_info=error)
    line = "That failed because of an error in the bot. Try again, or tell whoever runs it."
    if interaction.response.is_done():
        await interaction.followup.send(line, ephemeral=True)
    else:
        await interaction.response.send_message(line, ephemeral=True)
