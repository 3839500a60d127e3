"""Edits and deletions on Discord change the bot's memory."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import discord
from discord.ext import commands

from bot.conversation.channel_modes import ChannelModes
from bot.conversation.conversations import Conversations
from bot.conversation.turn import Turn
from bot.discord_client.channel_scopes import guild_scope
from bot.discord_client.incoming.message_content import attachments_of
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.latest_answers import LatestAnswers
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.errors import DatabaseOutageError


class MessageChangeListener(commands.Cog):
    """Passes edits and deletions on to the conversations.

    Args:
        conversations: follow them in memory and store.
        modes: lose deleted channels.
        reader: knows which messages the bot may read.
        editors: take back the replies to deleted messages.
        latest: offers to answer edited questions again.
    """

    def __init__(
        self,
        conversations: Conversations,
        modes: ChannelModes,
        reader: QuestionReader,
        editors: ReplyEditors,
        latest: LatestAnswers,
    ) -> None:
        self._conversations = conversations
        self._modes = modes
        self._reader = reader
        self._editors = editors
        self._latest = latest

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """A question or a quoted message was edited."""
        message = payload.message
        # Discord sends the same event when it adds the preview of a link.
        if message.author.id == self._reader.bot_user_id or message.edited_at is None:
            return
        if not self._reader.may_read(message):
            # Without the mention Discord hides the text, so the old text is the only one known, and it is outdated.
            await self._editors.take_back([message.id])
            return
        file_ids = [attachment.id for attachment in attachments_of(message)]
        before = await self._turn(message.id)
        await self._conversations.edit(message.id, self._reader.text(message), file_ids)
        after = await self._turn(message.id)
        if before is not None and after is not None and after.asked not in (before.asked, None):
            with suppress(DatabaseOutageError):
                await self._latest.question_edited(after)

    async def _turn(self, message_id: int) -> Turn | None:
        try:
            return await self._conversations.turn(message_id)
        except DatabaseOutageError:
            return None

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A question, an answer or a quoted message was deleted."""
        await self._editors.messages_deleted([payload.message_id])

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """Many messages were deleted at once."""
        await self._editors.messages_deleted(payload.message_ids)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel was deleted with all its messages and threads."""
        threads = channel.threads if isinstance(channel, (discord.TextChannel, discord.ForumChannel)) else []
        await self._erase_channels({channel.id, *(thread.id for thread in threads)})

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot left a guild, or it was deleted: from now on the bot does not learn what people delete there."""
        await self._erase_channels({each.id for each in (*guild.channels, *guild.threads)})
        await self._conversations.set_persona(guild_scope(guild.id), None)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        """A thread was deleted with all its messages."""
        await self._erase_channels({payload.thread_id})

    async def _erase_channels(self, channel_ids: Collection[int]) -> None:
        self._modes.drop(channel_ids)
        await self._conversations.erase_channels(channel_ids)
