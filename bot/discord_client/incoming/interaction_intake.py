"""From the use of a command or a form to its first response, which Discord wants within three seconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import discord

from bot.answering.queue import QueueClosedError, QueueFullError
from bot.answering.recovery import Recovery
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming.asked_interaction import AskedInteraction
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.question_header import header_of
from bot.discord_client.incoming.remarks import NOTHING_ASKED, QUESTION_BLOCKED
from bot.discord_client.rest.refusal import refusal_of

logger = logging.getLogger(__name__)

_LONGEST_WAIT_SECONDS = 1.0


class InteractionIntake:
    """Answers interactions.

    Args:
        intake: owns the tickets.
        recovery: knows which earlier questions are still to get theirs.
        scopes: maps interactions to conversations.
    """

    def __init__(self, intake: QuestionIntake, recovery: Recovery[discord.Message], scopes: ChannelScopes) -> None:
        self._intake = intake
        self._recovery = recovery
        self._scopes = scopes

    async def ask(
        self,
        interaction: discord.Interaction[Any],
        text: str,
        *,
        file: discord.Attachment | None = None,
        target: Mapping[str, Any] | None = None,
        opened_id: int = 0,
        is_private: bool = False,
    ) -> None:
        """Answer what an interaction asks; see `AskedInteraction.of`.

        Args:
            opened_id: of the interaction that opened the form, from which on `target` may have been deleted.
        """
        if not (text.strip() or file or target):
            await interaction.response.send_message(NOTHING_ASKED, ephemeral=True)
            return
        asked = AskedInteraction.of(interaction, self._scopes, text, file=file, target=target, is_private=is_private)
        if asked.target is not None and (line := self._intake.loss_of(asked.target, opened_id)) is not None:
            await interaction.response.send_message(line, ephemeral=True)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._recovery.wait_for_turn(asked.key.channel_id)
        try:
            await self._intake.take_interaction(asked, lambda: _respond(interaction, asked))
        except (QueueFullError, QueueClosedError) as refused:
            await interaction.response.send_message(str(refused), ephemeral=True)
        except discord.HTTPException as error:
            refusal = refusal_of(error)
            if refusal is None or not refusal.of_content or interaction.response.is_done():
                raise
            await interaction.response.send_message(QUESTION_BLOCKED, ephemeral=True)
            logger.info("Question was blocked: channel=%d message_id=%d", asked.key.channel_id, asked.id)


async def _respond(interaction: discord.Interaction[Any], asked: AskedInteraction) -> discord.Message:
    """Show who asked what; the answer grows below it."""
    assert interaction.client.user is not None  # set at the login, before any event
    response = await interaction.response.send_message(
        header_of(asked, interaction.client.user.id),
        ephemeral=asked.is_private,
        allowed_mentions=discord.AllowedMentions.none(),
    )
    if isinstance(response.resource, discord.Message):
        return response.resource
    return await interaction.original_response()  # the confirmation of the response was lost
