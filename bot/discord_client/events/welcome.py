"""A short first message in a server that the bot joins."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import discord
from discord.ext import commands

from bot.discord_client.command_mentions import CommandMentions
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.retry import until_accepted
from bot.discord_client.rest.urgency import Action, Urgency

logger = logging.getLogger(__name__)

_WELCOME = "Hello! Mention me in a message with your question, and I will answer. {} shows what else I can do."


class WelcomeListener(commands.Cog):
    """Says hello once in each server that the bot joins.

    Args:
        pace: decides when the message is sent.
        mentions: of the commands.
    """

    def __init__(self, pace: RequestPace, mentions: CommandMentions) -> None:
        self._pace = pace
        self._mentions = mentions
        self._tasks: set[asyncio.Task[None]] = set()

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Somebody added the bot to a server. Its return after an outage, or after a restart, is another event."""
        task = asyncio.create_task(self._welcome(guild), name=f"welcome in {guild.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cog_unload(self) -> None:
        """Say no more."""
        for task in self._tasks:
            task.cancel()

    async def _welcome(self, guild: discord.Guild) -> None:
        channel = _channel_to_write_in(guild)
        if channel is None:
            logger.info("Welcome was not said: guild=%d cause=the bot may write in no channel", guild.id)
            return
        try:
            await until_accepted("Welcome", partial(self._say, channel))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            logger.info("Welcome was not said: guild=%d channel=%d cause=%s", guild.id, channel.id, refusal.reason)

    async def _say(self, channel: discord.TextChannel) -> None:
        async with self._pace.slot(Action.SEND, channel.id, Urgency.NOTICE):
            # With the nonce, Discord shows it once though the event or the request may come twice.
            line = _WELCOME.format(self._mentions.of_name("help"))
            await channel.send(line, nonce=f"hi-{channel.guild.id}")


def _channel_to_write_in(guild: discord.Guild) -> discord.TextChannel | None:
    """Where Discord itself greets people, or else the first channel; None if the bot may write in none."""
    for channel in (guild.system_channel, *guild.text_channels):
        if channel is not None:
            permissions = channel.permissions_for(guild.me)
            if permissions.view_channel and permissions.send_messages:
                return channel
    return None
