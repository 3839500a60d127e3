"""After a restart: what was accepted is finished, and what was asked meanwhile is answered."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import aiohttp
import discord
from discord.ext import commands

from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.discord_client.events.mentions import MentionCog
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.stop_button import stop_id
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_MOST_CHANNELS = 200
_MOST_MESSAGES = 200
_NEAR_MESSAGES = 50
_RETRY_SECONDS = (5.0, 15.0, 60.0, 300.0, 900.0)
_CANNOT_BE_REACHED = (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)


class RecoveryCog(commands.Cog):
    """Goes through what was left, each time that the connection to Discord begins anew.

    Args:
        client: the connected client.
        mentions: answers messages.
        reader: reads messages.
        delivery: shows answers.
        work: keeps what was accepted.
        missed_for: how old a message may be that came while the bot was away, and is still answered.
    """

    def __init__(
        self,
        client: commands.Bot,
        mentions: MentionCog,
        reader: QuestionReader,
        delivery: ReplyDelivery,
        work: WorkStore,
        missed_for: timedelta,
    ) -> None:
        self._client = client
        self._mentions = mentions
        self._reader = reader
        self._delivery = delivery
        self._work = work
        self._missed_for = missed_for
        self._busy = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """The client is connected, for the first time or after a break that Discord does not bridge."""
        async with self._busy:
            try:
                if not self._mentions.caught_up.is_set():
                    await self._finish_accepted()
            except DatabaseOutageError as error:
                logger.error("What was accepted before the start cannot be read (%s); it waits for the next.", error)
            try:
                await self._answer_missed()
            except DatabaseOutageError as error:
                logger.error("What was asked meanwhile cannot be looked for: %s", error)
            finally:
                self._mentions.caught_up.set()

    async def cog_unload(self) -> None:
        """Stop looking; answers on their way are stopped with all others."""
        for task in self._tasks:
            task.cancel()

    async def _finish_accepted(self) -> None:
        for left in await self._work.unfinished():
            if not await self._finish(left):
                self._begin(self._finish_later(left))

    async def _finish_later(self, left: UnfinishedQuestion) -> None:
        for seconds in _RETRY_SECONDS:
            await asyncio.sleep(seconds)
            if await self._finish(left):
                return
        logger.error("Question %d cannot be finished; it waits for the next start.", left.message_id)

    async def _finish(self, left: UnfinishedQuestion) -> bool:
        """Go on with a question; return False if Discord does not let the bot see it now."""
        try:
            channel = await self._channel(left.channel_id)
            message = await channel.fetch_message(left.message_id)
            sent = await self._sent(message, left)
        except discord.NotFound:
            await self._work.turn_away(left.message_id)  # the question is gone, and wants no answer
            return True
        except _CANNOT_BE_REACHED as error:
            logger.warning("Question %d cannot be finished now: %s", left.message_id, error)
            return False
        if left.outcome is not None:
            self._begin(self._delivery.deliver_again(message, left.answer, left.outcome, sent))
        else:
            self._begin(self._mentions.answer(message, accepted_before=True, sent=sent))
            await asyncio.sleep(0)  # in the line before the next one
        return True

    async def _sent(self, question: discord.Message, left: UnfinishedQuestion) -> list[discord.Message]:
        """The messages that show a part of the answer, also one that was sent in the very moment of the crash."""
        found = []
        for message_id in left.reply_ids:
            try:
                found.append(await question.channel.fetch_message(message_id))
            except discord.NotFound:
                await self._work.reply_deleted(message_id)
        async for message in question.channel.history(after=question, limit=_NEAR_MESSAGES, oldest_first=True):
            own = message.author.id == self._reader.bot_user_id and message.id not in left.reply_ids
            if own and _belongs_to(message, question):
                found.append(message)
                await self._work.replied(question.id, len(found) - 1, message.id)
        return found

    async def _answer_missed(self) -> None:
        if not self._missed_for:
            return
        oldest = discord.utils.time_snowflake(discord.utils.utcnow() - self._missed_for)
        await self._work.forget_seen_before(oldest)
        channels = await self._work.channels(_MOST_CHANNELS)
        looked_through = self._mentions.looked_through = {channel_id: asyncio.Event() for channel_id, _ in channels}
        self._mentions.caught_up.set()  # in other channels nothing was missed
        try:
            for channel_id, began_id in channels:
                await self._answer_missed_in(channel_id, max(oldest, began_id))
                looked_through[channel_id].set()
        finally:
            for each in looked_through.values():
                each.set()

    async def _answer_missed_in(self, channel_id: int, after_id: int) -> None:
        try:
            missed = await self._meant_for_bot(channel_id, after_id)
        except _CANNOT_BE_REACHED as error:
            logger.info("Channel %d cannot be looked through for missed questions: %s", channel_id, error)
            return
        unseen = await self._work.unseen([message.id for message in missed]) if missed else set()
        for message in missed:
            if message.id in unseen:
                logger.info("Message %d came while the bot was away.", message.id)
                self._begin(self._mentions.answer(message))
                await asyncio.sleep(0)  # in the line before the next one

    async def _meant_for_bot(self, channel_id: int, after_id: int) -> list[discord.Message]:
        """The latest messages of a channel that are meant for the bot, the oldest first."""
        channel = await self._channel(channel_id)
        last_id = getattr(channel, "last_message_id", None)
        if last_id is not None and last_id <= after_id:
            return []
        latest = channel.history(after=discord.Object(after_id), limit=_MOST_MESSAGES, oldest_first=False)
        return [message async for message in latest if self._reader.is_meant_for_bot(message)][::-1]

    async def _channel(self, channel_id: int) -> discord.abc.Messageable:
        channel = self._client.get_channel(channel_id) or await self._client.fetch_channel(channel_id)
        if not isinstance(channel, discord.abc.Messageable):
            raise discord.ClientException(f"channel {channel_id} holds no messages")
        return channel

    def _begin(self, work: asyncio._CoroutineLike[None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _belongs_to(reply: discord.Message, question: discord.Message) -> bool:
    """Whether one of the bot's messages answers a question: it replies to it, or its Stop button names it."""
    if reply.reference is not None:
        return reply.reference.message_id == question.id
    return any(
        getattr(button, "custom_id", None) == stop_id(question.id)
        for row in reply.components
        if isinstance(row, discord.ActionRow)
        for button in row.children
    )
