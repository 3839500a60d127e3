"""Mentions and direct messages are questions."""

from __future__ import annotations

import discord
from discord.ext import commands

from bot.answering.recovery import Recovery
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.reader import QuestionReader


class MentionListener(commands.Cog):
    """Passes on every message that is meant for the bot, after the earlier ones of its channel.

    Args:
        reader: tells which messages are meant for the bot.
        recovery: knows which earlier messages are still to be answered.
        intake: answers messages.
    """

    def __init__(self, reader: QuestionReader, recovery: Recovery[discord.Message], intake: QuestionIntake) -> None:
        self._reader = reader
        self._recovery = recovery
        self._intake = intake

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        if self._reader.is_meant_for_bot(message):
            await self._recovery.wait_for_turn(message.channel.id)
            await self._intake.take(message)
