"""Decides where nobody needs to mention the bot, and which messages are questions there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import discord

from bot.conversation.channel_modes import ChannelMode, ChannelModes, ModeSetting
from bot.discord_client.channel_scopes import mode_scopes
from bot.discord_client.incoming.quoted_message import is_reply

logger = logging.getLogger(__name__)


class Addressing:
    """Knows by the modes of the channels whom a message is for.

    Args:
        client: the connected client.
        modes: of the channels. Without the message-content intent, mentions are needed everywhere.
        ignored_prefix: where nobody needs to mention the bot, a message that begins with this is no question;
            "" for none.
    """

    def __init__(self, client: discord.Client, modes: ChannelModes, ignored_prefix: str) -> None:
        self._client = client
        self._modes = modes
        self.ignored_prefix = ignored_prefix

    @property
    def can_read_all(self) -> bool:
        """Whether Discord shows the bot messages that do not mention it."""
        return self._client.intents.message_content

    def setting(self, channel: Any) -> ModeSetting | None:
        """The mode that was set for a channel or, if a thread has none of its own, for its channel."""
        return self._modes.setting(mode_scopes(channel))

    def is_open(self, channel: Any) -> bool:
        """Whether nobody needs to mention the bot in a channel."""
        setting = self._in_force(channel)
        if setting is None or setting.mode is ChannelMode.MENTION:
            return False
        return setting.mode is ChannelMode.FREE or self._is_own_thread(channel)

    def opens_thread(self, channel: Any) -> bool:
        """Whether the answer to a question in a channel goes to a thread of its own."""
        setting = self._in_force(channel)
        is_parent = isinstance(channel, discord.TextChannel)
        return is_parent and setting is not None and setting.mode is ChannelMode.THREADS

    def is_question(self, message: discord.Message, *, is_addressed: bool) -> bool:
        """Whether a message is a question in a channel where nobody needs to mention the bot.

        Args:
            is_addressed: it mentions the bot or replies to it.
        """
        setting = self._in_force(message.channel)
        if setting is None or message.id <= setting.since_id:
            return is_addressed  # the channel had another mode then
        if self.ignored_prefix and message.content.lstrip().startswith(self.ignored_prefix):
            return False
        return is_addressed or not self._is_for_others(message)

    def searched(self) -> dict[int, int]:
        """The channels in which a question may have been missed, each with the message after which to search."""
        found = {}
        for channel in self._channels():
            setting = self._in_force(channel)
            if setting is not None and setting.mode is not ChannelMode.MENTION:
                found[channel.id] = setting.since_id
        return found

    def warn_if_blind(self) -> None:
        """Log, once at the start, that modes are set which the bot cannot follow."""
        concerned = [each.channel_id for each in self._modes.all() if each.mode is not ChannelMode.MENTION]
        if concerned and not self.can_read_all:
            logger.warning(
                "Channel modes are not in force, because the message-content intent is missing: set "
                "MESSAGE_CONTENT_INTENT=true, and switch the intent on at https://discord.com/developers/applications "
                "(Bot, Privileged Gateway Intents, Message Content Intent) channels=%s",
                ",".join(map(str, concerned)),
            )

    def _in_force(self, channel: Any) -> ModeSetting | None:
        return self.setting(channel) if self.can_read_all else None

    def _is_own_thread(self, channel: Any) -> bool:
        """Whether a thread is a forum's post, or one that the bot opened."""
        if not isinstance(channel, discord.Thread):
            return False
        return isinstance(channel.parent, discord.ForumChannel) or channel.owner_id == self._own_id

    def _is_for_others(self, message: discord.Message) -> bool:
        """Whether a message mentions or answers somebody else, or nobody knows whom it answers."""
        others = [user for user in message.mentions if user.id not in (message.author.id, self._own_id)]
        if others or message.role_mentions or message.mention_everyone:
            return True
        if message.reference is None or not is_reply(message):
            return False
        replied = message.reference.resolved or message.reference.cached_message
        return not isinstance(replied, discord.Message) or replied.author.id not in (message.author.id, self._own_id)

    def _channels(self) -> Iterator[Any]:
        """The channels with a mode, and the active threads in them."""
        for setting in self._modes.all():
            channel = self._client.get_channel(setting.channel_id)
            if isinstance(channel, discord.abc.Messageable):
                yield channel
            if isinstance(channel, (discord.TextChannel, discord.ForumChannel)):
                yield from channel.threads

    @property
    def _own_id(self) -> int:
        assert self._client.user is not None  # set at the login, before any event
        return self._client.user.id
