"""Reports a command, button or form that failed to the member who used it, and to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.discord_client.rest.interaction_adapter import ACKNOWLEDGED, is_gone
from bot.discord_client.rest.refusal import Refusal, refusal_of

logger = logging.getLogger(__name__)

_OUTDATED = (app_commands.CommandNotFound, app_commands.CommandSignatureMismatch)


async def report_error(interaction: discord.Interaction[Any], error: Exception) -> None:
    """Log why an interaction failed, and reply to its member while Discord still takes a reply."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if interaction.client.is_closed():
        logger.info(
            "Interaction was not answered, the bot has ended: used=%s interaction=%d channel=%s message=%s",
            *_place(interaction),
        )
        return
    if is_gone(cause):
        _log_refusal(interaction, cause)
        return
    line = "That failed because of an error in the bot. Try again, or tell whoever runs it."
    if isinstance(cause, _OUTDATED):
        logger.warning(
            "Command is out of date: used=%s interaction=%d channel=%s message=%s cause=%s", *_place(interaction), cause
        )
        line = "This command has changed. Restart Discord to see the new one."
    elif not _log_refusal(interaction, cause):
        logger.error(
            "Interaction failed: used=%s interaction=%d channel=%s message=%s cause=%s",
            *_place(interaction),
            cause,
            exc_info=cause,
        )
    try:
        await _reply(interaction, line)
    except Exception as refused:
        if _refusal_in(refused) is None:
            raise  # else the line above says enough


@contextmanager
def refusals_logged(interaction: discord.Interaction[Any]) -> Iterator[None]:
    """Log, in one line, that Discord refuses what the block sends; what was done before stays done."""
    try:
        yield
    except Exception as error:
        if not _log_refusal(interaction, error):
            raise


def _log_refusal(interaction: discord.Interaction[Any], error: Exception) -> bool:
    """Log a refusal; return whether the error is one."""
    refusal = _refusal_in(error)
    if refusal is None:
        return False
    level, event = (logging.INFO, "is gone") if is_gone(error) else (logging.WARNING, "was not answered")
    logger.log(
        level,
        "Interaction %s: used=%s interaction=%d channel=%s message=%s cause=%s",
        event,
        *_place(interaction),
        refusal.reason,
    )
    return True


def _refusal_in(error: Exception) -> Refusal | None:
    """Discord's or the network's refusal; an OSError of a command's own is none."""
    is_discords = isinstance(error, (discord.DiscordException, aiohttp.ClientError, TimeoutError))
    return refusal_of(error) if is_discords else None


async def _reply(interaction: discord.Interaction[Any], line: str) -> None:
    if not interaction.response.is_done():
        try:
            await interaction.response.send_message(line, ephemeral=True)
        except discord.HTTPException as error:
            # Discord has a response whose confirmation was lost.
            if error.code != ACKNOWLEDGED:
                raise
        else:
            return
    await interaction.followup.send(line, ephemeral=True)


def _place(interaction: discord.Interaction[Any]) -> tuple[str | None, int, int | None, int | None]:
    """What was used, the interaction, its channel, and the message with the button."""
    data: dict[str, Any] = {**(interaction.data or {})}
    command = interaction.command
    used = f"/{command.qualified_name}" if command else data.get("custom_id") or data.get("name")
    return used, interaction.id, interaction.channel_id, interaction.message.id if interaction.message else None
