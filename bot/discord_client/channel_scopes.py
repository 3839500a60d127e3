"""Maps channels to conversations, and to the scopes whose personas apply there."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Literal

import discord

from bot.conversation.turn import ConversationKey

_MOST_THREADS = 1_000


def guild_scope(guild_id: int) -> int:
    """The scope of a whole guild. Negative, because the oldest guilds have a channel with the guild's own id."""
    return -guild_id


def private_key(channel_id: int, member_id: int) -> ConversationKey:
    """The conversation of a member's private questions in a channel: what others see is never answered from it."""
    return ConversationKey(channel_id, -member_id)


def mode_scopes(channel: Any) -> tuple[int, ...]:
    """The channels whose modes apply in a channel, nearest first: the thread and its channel."""
    return (channel.id, channel.parent_id) if isinstance(channel, discord.Thread) else (channel.id,)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a member uses the bot.

    Attributes:
        is_home: the bot is a member of the server, or it is the direct message with the bot. Elsewhere only the member
            has installed it.
        is_direct: it is the direct message with the bot.
    """

    is_home: bool
    is_direct: bool = False


class ChannelScopes:
    """Knows which conversation and which scopes a channel has.

    Args:
        client: knows the channels once it is connected.
        memory: whether all members of a channel share one conversation, or each has their own.
    """

    def __init__(self, client: discord.Client, memory: Literal["channel", "user"]) -> None:
        self._client = client
        self._memory = memory
        self._threads: OrderedDict[int, discord.Thread] = OrderedDict()  # that the client may not know

    def key(self, channel: discord.abc.Snowflake, member_id: int) -> ConversationKey:
        """The conversation that a member's message in a channel belongs to."""
        shared = self._memory == "channel" or isinstance(channel, discord.DMChannel)
        return ConversationKey(channel.id, 0 if shared else member_id)

    def place_of(self, interaction: discord.Interaction[Any]) -> Place:
        """Where an interaction was used."""
        if interaction.guild_id is not None:
            return Place(self._client.get_guild(interaction.guild_id) is not None)
        is_direct = interaction.context.dm_channel
        return Place(is_direct, is_direct)

    def keys(self, interaction: discord.Interaction[Any]) -> list[ConversationKey]:
        """A member's conversations where an interaction was used: that of mentions first, then that of private ones."""
        assert interaction.channel is not None  # every command has a channel
        channel, member_id, place = interaction.channel, interaction.user.id, self.place_of(interaction)
        open_key = self.key(channel, member_id) if place.is_home else ConversationKey(channel.id, member_id)
        return [open_key] if place.is_direct else [open_key, private_key(channel.id, member_id)]

    def note(self, channel: object) -> None:
        """Remember where a thread belongs: the client knows neither closed threads nor one that was just opened."""
        if isinstance(channel, discord.Thread):
            self._threads[channel.id] = channel
            self._threads.move_to_end(channel.id)
            if len(self._threads) > _MOST_THREADS:
                self._threads.popitem(last=False)

    def of(self, channel_id: int) -> tuple[int, ...]:
        """The scopes whose personas apply in a channel, nearest first: the thread, its channel, the guild."""
        channel = self._client.get_channel(channel_id) or self._threads.get(channel_id)
        if isinstance(channel, discord.Thread):
            return channel_id, channel.parent_id, guild_scope(channel.guild.id)
        if isinstance(channel, discord.abc.GuildChannel):
            return channel_id, guild_scope(channel.guild.id)
        return (channel_id,)
