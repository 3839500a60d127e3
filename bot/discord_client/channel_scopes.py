"""Maps channels to conversations, and to the scopes whose personas apply there."""

from __future__ import annotations

from typing import Literal

import discord

from bot.conversation.turn import ConversationKey


def guild_scope(guild_id: int) -> int:
    """The scope of a whole guild. Negative, because the oldest guilds have a channel with the guild's own id."""
    return -guild_id


class ChannelScopes:
    """Knows which conversation and which scopes a channel has.

    Args:
        client: knows the channels once it is connected.
        memory: whether all members of a channel share one conversation, or each has their own.
    """

    def __init__(self, client: discord.Client, memory: Literal["channel", "user"]) -> None:
        self._client = client
        self._memory = memory

    def key(self, channel: discord.abc.Snowflake, member_id: int) -> ConversationKey:
        """The conversation that a member's message in a channel belongs to."""
        shared = self._memory == "channel" or isinstance(channel, discord.DMChannel)
        return ConversationKey(channel.id, 0 if shared else member_id)

    def of(self, channel_id: int) -> tuple[int, ...]:
        """The scopes whose personas apply in a channel, nearest first: the thread, its channel, the guild."""
        channel = self._client.get_channel(channel_id)
        if isinstance(channel, discord.Thread):
            return channel_id, channel.parent_id, guild_scope(channel.guild.id)
        if isinstance(channel, discord.abc.GuildChannel):
            return channel_id, guild_scope(channel.guild.id)
        return (channel_id,)
