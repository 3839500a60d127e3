"""Where a message belongs: its conversation, and the scopes whose settings hold there."""

from __future__ import annotations

from typing import Literal

import discord

from bot.conversation.turn import ConversationKey


def guild_scope(guild_id: int) -> int:
    """The place of a whole server. The oldest servers have a channel with the server's own id."""
    return -guild_id


class ChannelScopes:
    """Knows whose memory a channel has.

    Args:
        client: the connected client, for the channels that it knows.
        memory: whether everybody in a channel shares one conversation, or each person has their own.
    """

    def __init__(self, client: discord.Client, memory: Literal["channel", "user"]) -> None:
        self._client = client
        self._memory = memory

    def key(self, channel: discord.abc.Snowflake, person_id: int) -> ConversationKey:
        """The conversation that a person's message in a channel belongs to."""
        shared = self._memory == "channel" or isinstance(channel, discord.DMChannel)
        return ConversationKey(channel.id, 0 if shared else person_id)

    def of(self, channel_id: int) -> tuple[int, ...]:
        """The scopes whose persona holds in a channel, the nearest first: a thread, its channel, the server."""
        channel = self._client.get_channel(channel_id)
        if isinstance(channel, discord.Thread):
            return channel_id, channel.parent_id, guild_scope(channel.guild.id)
        if isinstance(channel, discord.abc.GuildChannel):
            return channel_id, guild_scope(channel.guild.id)
        return (channel_id,)
