"""Discord's messages as recovery sees them: what was accepted before a restart, and what was missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import discord

from bot.answering.recovery import MessageGoneError, UnreachableError
from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.conversation.turn import Task
from bot.discord_client.incoming.asked_interaction import AskedInteraction
from bot.discord_client.incoming.burst import in_bursts
from bot.discord_client.incoming.intake import QuestionIntake
from bot.discord_client.incoming.question_threads import QuestionThreads
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.incoming.revision_intake import RevisionIntake
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.interaction_transport import transport_for
from bot.discord_client.replies.notices import addresses
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_search import find_replies
from bot.discord_client.replies.reply_transport import ReplyTransport
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.permissions import READ_MESSAGE_HISTORY, is_allowed
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency

_MOST_MESSAGES = 200


class DiscordInbox:
    """Implements `bot.answering.recovery.Inbox`.

    Args:
        client: the connected client.
        intake: answers messages.
        reader: tells which messages are meant for the bot.
        threads: know where a question is answered.
        delivery: shows answers that were generated before a restart.
        pace: decides when a request starts.
        work: keeps which messages show an answer.
        reports: tell members what cannot be read.
        revisions: goes on with answers that were being revised.
    """

    def __init__(
        self,
        client: discord.Client,
        intake: QuestionIntake,
        reader: QuestionReader,
        threads: QuestionThreads,
        delivery: ReplyDelivery,
        pace: RequestPace,
        work: WorkStore,
        reports: RefusalReports,
        revisions: RevisionIntake,
    ) -> None:
        self._client = client
        self._intake = intake
        self._reader = reader
        self._threads = threads
        self._delivery = delivery
        self._pace = pace
        self._work = work
        self._reports = reports
        self._revisions = revisions
        self._tasks: set[asyncio.Task[None]] = set()

    async def resume(self, question: UnfinishedQuestion) -> None:
        """Go on with an accepted question; it has its ticket on return."""
        if self._intake.has_taken(question.message_id):
            return
        if question.task is not Task.ANSWER:
            channel = await self._channel(question.channel_id)
            self._begin(await self._revisions.resume(question, channel))
            return
        if question.interaction is not None:
            await self._resume_interaction(AskedInteraction.accepted_before(self._client, question), question)
            return
        channel = await self._channel(question.channel_id)
        try:
            async with self._reading(question.channel_id):
                message = await channel.fetch_message(question.message_id)
            place = self._threads.now(message)
            sent = await self._sent(place, question)
            parts = await self._parts(channel, question)
            if self._delivery.was_deleted(message.id):
                raise MessageGoneError(f"message {message.id} was deleted meanwhile")
            if question.notice is None and not self._reader.may_read(message):
                raise MessageGoneError(f"message {message.id} does not mention the bot any more")
        except MessageGoneError:
            await self._take_back(channel, question)
            await self._ask_rest(channel, question)
            raise
        except UnreachableError as error:
            if error.__cause__ is not None and (refusal := refusal_of(error.__cause__)) is not None:
                await self._reports.tell_of_unreadable(channel, question.author_id, refusal)
            raise
        if self._is_forgotten(question):
            await self._take_back(channel, question)
            await self._intake.pass_over([message])
        else:
            await self._go_on(message, question, sent, parts)

    async def _go_on(
        self,
        message: discord.Message,
        question: UnfinishedQuestion,
        sent: Sequence[discord.Message],
        parts: Sequence[discord.Message],
    ) -> None:
        """Go on with a question that was read again."""
        if question.outcome is None and question.notice is None:
            self._begin(self._intake.take(message, parts=parts, accepted_before=True, sent=sent, source="recovery"))
        elif not self._intake.claim(message.id):
            return
        elif question.outcome is not None:
            self._begin(
                self._delivery.deliver_again(self._threads.now(message), question.answer, question.outcome, sent)
            )
        elif question.notice is not None and not sent:
            self._begin(self._intake.turn_away(message, question.notice))
        else:
            await self._work.turn_away(message.id)

    async def _resume_interaction(self, asked: AskedInteraction, question: UnfinishedQuestion) -> None:
        """Go on with an interaction in its messages, as far as Discord shows them to the bot."""
        transport = transport_for(asked, self._client)
        sent = await self._sent_by(transport, asked, question)
        if self._is_forgotten(question):
            self._intake.claim(asked.id)
            await self._work.turn_away(asked.id)
            self._begin(self._delivery.take_back(asked, sent))
        elif question.outcome is None:
            self._begin(self._intake.take(asked, accepted_before=True, sent=sent, source="recovery"))
        elif self._intake.claim(asked.id):
            self._begin(self._delivery.deliver_again(asked, question.answer, question.outcome, sent))

    async def _sent_by(
        self, transport: ReplyTransport, asked: AskedInteraction, question: UnfinishedQuestion
    ) -> list[discord.Message]:
        found = []
        try:
            for message_id in question.reply_ids:
                try:
                    async with self._reading(transport.place_id):
                        found.append(await transport.fetch(message_id))
                except MessageGoneError:
                    await self._work.reply_deleted(message_id)
            async with self._reading(transport.place_id):
                unrecorded = await transport.find(set(question.reply_ids))
        except UnreachableError as error:
            if error.is_passing:
                raise
            return []  # the answer comes in a message of its own, or as a direct message
        for reply in unrecorded:
            found.append(reply)
            await self._work.replied(asked.id, len(found) - 1, reply.id)
        return found

    async def missed(self, channel_id: int, after_id: int) -> Sequence[discord.Message]:
        """The latest messages of a channel that are meant for the bot, the oldest first."""
        channel = await self._channel(channel_id)
        last_id = getattr(channel, "last_message_id", None)
        if last_id is not None and last_id <= after_id:
            return []
        if not is_allowed(channel, READ_MESSAGE_HISTORY):  # Discord would show an empty channel
            raise UnreachableError(f"the bot lacks the permission {READ_MESSAGE_HISTORY}", is_passing=False)
        async with self._reading(channel_id):
            latest = channel.history(after=discord.Object(after_id), limit=_MOST_MESSAGES, oldest_first=False)
            return [message async for message in latest if self._reader.is_meant_for_bot(message)][::-1]

    def answer(self, messages: Sequence[discord.Message]) -> None:
        """Take tickets for messages of one channel at once, and answer them in the background."""
        forgotten = self._intake.forgotten
        left = [
            message
            for message in messages
            if not self._delivery.was_deleted(message.id)
            and not forgotten.holds(message.id, message.author.id, message.channel.id)
        ]
        gathers = bool(left) and self._reader.needs_no_mention(left[0])
        for *parts, message in in_bursts(left) if gathers else [[message] for message in left]:
            self._begin(self._intake.take(message, parts=parts, source="missed"))

    def close(self) -> None:
        """Cancel the answers that recovery began."""
        for task in self._tasks:
            task.cancel()

    def _is_forgotten(self, question: UnfinishedQuestion) -> bool:
        """Whether its member had the bot forget it since the start read what was accepted."""
        return self._intake.forgotten.holds(question.message_id, question.author_id, question.channel_id)

    async def _take_back(self, channel: discord.abc.Messageable, question: UnfinishedQuestion) -> None:
        """Delete what shows an answer to a question that was deleted, or hidden by an edit, while the bot was away."""
        if question.notice is not None:
            return  # it may be for others too
        place = await self._thread_of(question) or channel
        asked = discord.PartialMessage(channel=place, id=question.message_id)  # type: ignore[arg-type]  # any channel
        sent = await self._sent(asked, question)
        self._begin(self._delivery.take_back(asked, sent))

    async def _ask_rest(self, channel: discord.abc.Messageable, question: UnfinishedQuestion) -> None:
        """Ask what is left of a question of several messages whose last one was deleted while the bot was away."""
        if question.notice is None and (rest := await self._parts(channel, question)):
            self._begin(self._intake.take(rest[-1], parts=rest[:-1], accepted_before=True, source="recovery"))

    async def _parts(self, channel: discord.abc.Messageable, question: UnfinishedQuestion) -> list[discord.Message]:
        """The earlier messages of a question that still exist."""
        found = []
        for message_id in question.parts:
            with suppress(MessageGoneError):
                async with self._reading(question.channel_id):
                    found.append(await channel.fetch_message(message_id))
        return found

    async def _thread_of(self, question: UnfinishedQuestion) -> discord.Thread | None:
        """The thread that the bot has opened for a question."""
        with suppress(MessageGoneError, UnreachableError):
            thread = await self._channel(question.message_id)
            if isinstance(thread, discord.Thread) and self._threads.is_own(thread):
                return thread
        return None

    async def _sent(self, message: discord.PartialMessage, question: UnfinishedQuestion) -> list[discord.Message]:
        """The messages that show a part of the answer, including one sent in the very moment of the crash."""
        found = []
        for message_id in question.reply_ids:
            try:
                async with self._reading(message.channel.id):
                    found.append(await message.channel.fetch_message(message_id))
            except MessageGoneError:
                await self._work.reply_deleted(message_id)
        async with self._reading(message.channel.id):
            unrecorded = await find_replies(
                message.id,
                message.channel,
                self._reader.bot_user_id,
                question.reply_ids,
                also=lambda other: question.notice is not None and addresses(other, question.author_id),
            )
        for reply in unrecorded:
            found.append(reply)
            await self._work.replied(message.id, len(found) - 1, reply.id)
        return found

    async def _channel(self, channel_id: int) -> discord.abc.Messageable:
        channel: object = self._client.get_channel(channel_id)
        if channel is None:
            async with self._reading(channel_id):
                channel = await self._client.fetch_channel(channel_id)
        if not isinstance(channel, discord.abc.Messageable):
            raise UnreachableError(f"channel {channel_id} holds no messages", is_passing=False)
        return channel

    @asynccontextmanager
    async def _reading(self, channel_id: int) -> AsyncIterator[None]:
        """Make one request when the pace allows it.

        Raises:
            MessageGoneError: what it reads does not exist.
            UnreachableError: it cannot be read.
        """
        async with self._pace.slot(Action.READ, channel_id, Urgency.NOTICE) as slot:
            try:
                async with request_time_limit():
                    yield
            except discord.NotFound as error:
                raise MessageGoneError(str(error)) from error
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
                raise UnreachableError(refusal.reason, is_passing=refusal.is_passing) from error

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
