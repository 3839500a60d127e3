"""Discord's messages as recovery sees them: what was accepted before a restart, and what was missed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import aiohttp
import discord

from bot.answering.recovery import MessageGoneError, UnreachableError
from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.stop_button import stop_id

_MOST_MESSAGES = 200
_NEAR_MESSAGES = 50
_UNREACHABLE = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)


class DiscordInbox:
    """Implements `bot.answering.recovery.Inbox`.

    Args:
        client: the connected client.
        intake: answers messages.
        reader: tells which messages are meant for the bot.
        delivery: shows answers that were generated before a restart.
        work: keeps which messages show an answer.
    """

    def __init__(
        self,
        client: discord.Client,
        intake: QuestionIntake,
        reader: QuestionReader,
        delivery: ReplyDelivery,
        work: WorkStore,
    ) -> None:
        self._client = client
        self._intake = intake
        self._reader = reader
        self._delivery = delivery
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()

    async def resume(self, question: UnfinishedQuestion) -> None:
        """Go on with an accepted question; it has its ticket on return."""
        try:
            channel = await self._channel(question.channel_id)
            message = await channel.fetch_message(question.message_id)
            sent = await self._sent(message, question)
        except discord.NotFound as error:
            raise MessageGoneError(str(error)) from error
        except _UNREACHABLE as error:
            raise UnreachableError(str(error)) from error
        if question.outcome is not None:
            self._begin(self._delivery.deliver_again(message, question.answer, question.outcome, sent))
        else:
            self._begin(self._intake.take(message, accepted_before=True, sent=sent))

    async def missed(self, channel_id: int, after_id: int) -> Sequence[discord.Message]:
        """The latest messages of a channel that are meant for the bot, the oldest first."""
        try:
            channel = await self._channel(channel_id)
            last_id = getattr(channel, "last_message_id", None)
            if last_id is not None and last_id <= after_id:
                return []
            latest = channel.history(after=discord.Object(after_id), limit=_MOST_MESSAGES, oldest_first=False)
            return [message async for message in latest if self._reader.is_meant_for_bot(message)][::-1]
        except _UNREACHABLE as error:
            raise UnreachableError(str(error)) from error

    def answer(self, message: discord.Message) -> None:
        """Take a ticket for a message at once, and answer it in the background."""
        self._begin(self._intake.take(message))

    def close(self) -> None:
        """Cancel the answers that recovery began."""
        for task in self._tasks:
            task.cancel()

    async def _sent(self, message: discord.Message, question: UnfinishedQuestion) -> list[discord.Message]:
        """The messages that show a part of the answer, including one sent in the very moment of the crash."""
        found = []
        for message_id in question.reply_ids:
            try:
                found.append(await message.channel.fetch_message(message_id))
            except discord.NotFound:
                await self._work.reply_deleted(message_id)
        async for other in message.channel.history(after=message, limit=_NEAR_MESSAGES, oldest_first=True):
            own = other.author.id == self._reader.bot_user_id and other.id not in question.reply_ids
            if own and _answers(other, message):
                found.append(other)
                await self._work.replied(message.id, len(found) - 1, other.id)
        return found

    async def _channel(self, channel_id: int) -> discord.abc.Messageable:
        channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        if not isinstance(channel, discord.abc.Messageable):
            raise UnreachableError(f"channel {channel_id} holds no messages")
        return channel

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answers(reply: discord.Message, question: discord.Message) -> bool:
    """Whether one of the bot's messages answers a question: it replies to it, or its Stop button names it."""
    if reply.reference is not None:
        return reply.reference.message_id == question.id
    return any(
        getattr(button, "custom_id", None) == stop_id(question.id)
        for row in reply.components
        if isinstance(row, discord.ActionRow)
        for button in row.children
    )
