"""The Discord client: its intents, whom it may mention, and how it closes."""

from __future__ import annotations

import logging
from collections.abc import Callable

import discord
from discord.ext import commands

from bot.discord_client.interaction_errors import report_error
from bot.discord_client.replies.answer_buttons import AnswerButton
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.replies.stop_button import StopButton
from bot.discord_client.rest.interaction_adapter import use_interaction_adapter
from bot.discord_client.rest.time_limit import request_trace
from bot.errors import ConfigurationError

logger = logging.getLogger(__name__)

_SUSPEND_REPLIES_SECONDS = 5.0
INTENT_HELP = (
    "the message-content intent is not granted to this bot; switch it on at "
    "https://discord.com/developers/applications (Bot, Privileged Gateway Intents, Message Content Intent), "
    "or set MESSAGE_CONTENT_INTENT=false"
)


def grants_message_content(flags: discord.ApplicationFlags) -> bool:
    """Whether the portal grants the message-content intent; a bot in few servers has a flag of its own for it."""
    return flags.gateway_message_content or flags.gateway_message_content_limited


class PhiClient(commands.Bot):
    """A client without text commands that closes softly.

    Args:
        message_content_intent: request the privileged intent; mentions and direct messages do not need it.
        on_status: called with the status of each of Discord's responses; None: a request got none.

    Attributes:
        running_replies: the answers that members see growing.
    """

    def __init__(
        self, *, message_content_intent: bool, on_status: Callable[[int | None], None] = lambda _status: None
    ) -> None:
        intents = discord.Intents.none()
        intents.guilds = True
        intents.guild_messages = True
        intents.dm_messages = True
        intents.guild_typing = True
        intents.dm_typing = True
        intents.message_content = message_content_intent
        # The bot never speaks; discord.py would warn at each start that the packages for voice are missing.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            intents=intents,
            # The model may write any mention; none may notify anybody.
            allowed_mentions=discord.AllowedMentions.none(),
            http_trace=request_trace(on_status),
        )
        self.running_replies = RunningReplies()
        self._hears_events = False
        self.tree.error(report_error)
        self.add_dynamic_items(StopButton, AnswerButton)

    @property
    def is_online(self) -> bool:
        """Whether the client knows its servers and hears them."""
        return self.is_ready() and self._hears_events and not self.is_closed()

    async def on_connect(self) -> None:
        """Discord has opened a session; `is_ready` stays true once it was."""
        self._hears_events = True

    async def on_resumed(self) -> None:
        """Discord goes on with a session."""
        self._hears_events = True

    async def on_disconnect(self) -> None:
        """The connection was lost, or there is none yet."""
        self._hears_events = False

    async def setup_hook(self) -> None:
        """Check the intents at the login, before the model loads."""
        self._check_intents()
        use_interaction_adapter()

    async def on_message(self, message: discord.Message, /) -> None:
        """Leave messages to the cogs: discord.py would look for text commands, and there are none."""

    async def close(self) -> None:
        """Suspend the running answers, which a restart finishes, then disconnect."""
        if not self.is_closed():
            await self.running_replies.suspend_all(_SUSPEND_REPLIES_SECONDS)
        await super().close()

    def _check_intents(self) -> None:
        if self.intents.message_content and not grants_message_content(self.application_flags):
            raise ConfigurationError(INTENT_HELP)
