"""The Discord client: intents, mentions allowed, what is set up before it connects, and how errors are told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import discord
from discord.ext import commands

from bot.discord_client.commands.interaction_errors import tell_error
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.replies.stop_button import StopButton
from bot.errors import ConfigurationError

logger = logging.getLogger(__name__)

_SUSPEND_REPLIES_SECONDS = 5.0
INTENT_HELP = (
    "the message-content intent is not granted to this bot; switch it on at "
    "https://discord.com/developers/applications (Bot, Privileged Gateway Intents, Message Content Intent), "
    "or set MESSAGE_CONTENT_INTENT=false"
)


class PhiClient(commands.Bot):
    """Connects the bot's parts with Discord.

    Args:
        message_content_intent: ask for the privileged intent; mentions and direct messages need none.
        set_up: called once after the login and before the gateway connects; loads what the bot needs and adds its cogs.
    """

    def __init__(self, *, message_content_intent: bool, set_up: Callable[[PhiClient], Awaitable[None]]) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.guild_messages = True
        intents.dm_messages = True
        intents.guild_typing = True
        intents.dm_typing = True
        intents.message_content = message_content_intent
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents,
            # The model must not be able to call anybody, whatever it writes.
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self._set_up = set_up
        self.running_replies = RunningReplies()
        self.tree.error(tell_error)

    async def setup_hook(self) -> None:
        """Check the intents while it is cheap, then set the parts up."""
        self._check_intents()
        self.add_dynamic_items(StopButton)
        await self._set_up(self)

    async def on_message(self, message: discord.Message, /) -> None:
        """Leave messages to the cogs: this bot has no text commands for discord.py to look for."""

    async def close(self) -> None:
        """Break off the answers on their way, which a restart finishes, then the connection."""
        if not self.is_closed():
            await self.running_replies.suspend_all(_SUSPEND_REPLIES_SECONDS)
        await super().close()

    def _check_intents(self) -> None:
        flags = self.application_flags
        granted = flags.gateway_message_content or flags.gateway_message_content_limited
        if self.intents.message_content and not granted:
            raise ConfigurationError(INTENT_HELP)
