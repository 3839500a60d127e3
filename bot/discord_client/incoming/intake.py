"""From a message or an interaction to its delivered reply: ticket first, then reading, answering and delivery."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import discord

from bot.answering.queue import QueueClosedError, QueueFullError
from bot.answering.service import AnswerService, PendingQuestion
from bot.conversation.changes import MessageChanges
from bot.conversation.store import WorkStore
from bot.conversation.turn import ConversationKey, Question
from bot.discord_client.incoming import remarks
from bot.discord_client.incoming.asked_interaction import AskedInteraction, Asking
from bot.discord_client.incoming.forgotten_questions import ForgottenQuestions
from bot.discord_client.incoming.question_threads import AnswerPlace, QuestionThreads
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.notices import Notices
from bot.log_context import about_question

logger = logging.getLogger(__name__)

_MOST_TAKEN = 10_000


class QuestionIntake:
    """Answers messages, each of them once.

    Args:
        answering: turns questions into answers.
        reader: reads messages.
        delivery: shows answers.
        notices: say why a message gets none.
        threads: know where a question is answered.
        work: keeps what was accepted.

    Attributes:
        forgotten: questions that nobody may take any more.
    """

    def __init__(
        self,
        answering: AnswerService,
        reader: QuestionReader,
        delivery: ReplyDelivery,
        notices: Notices,
        threads: QuestionThreads,
        work: WorkStore,
    ) -> None:
        self._answering = answering
        self._reader = reader
        self._delivery = delivery
        self._notices = notices
        self._threads = threads
        self._work = work
        self.forgotten = ForgottenQuestions()
        self._taken: OrderedDict[int, None] = OrderedDict()  # ids of messages
        self._parts: OrderedDict[int, None] = OrderedDict()  # ids of messages that are one question with a later one
        self._turned_away: OrderedDict[int, asyncio.Event] = OrderedDict()  # set once their authors were told why

    def take(
        self,
        message: Asking,
        *,
        parts: Sequence[discord.Message] = (),
        accepted_before: bool = False,
        sent: Sequence[discord.Message] = (),
        source: str = "message",
    ) -> Coroutine[Any, Any, None]:
        """Take a ticket for a message before anything is awaited, so that the queue has the order of these calls.

        Args:
            message: is ignored if it was taken before.
            parts: earlier messages that are one question with it, the oldest first.
            accepted_before: it was accepted before a restart, so no limit of the queue applies.
            sent: messages that show a part of the answer already.
            source: what brought it, for the log.

        Returns:
            the rest of the work, to be awaited by the caller.
        """
        if not self.claim(message.id):
            return _nothing()
        parts = [part for part in parts if part.id not in self._taken]
        _keep_latest(self._parts, [part.id for part in parts])
        if isinstance(message, discord.Message) and not parts:
            invitation = self._reader.invitation(message)
            if invitation is not None:
                return self.turn_away(message, invitation)
        key = self._threads.key(message)
        try:
            pending = self._answering.admit(key, message.author.id, accepted_before=accepted_before)
        except QueueFullError as error:
            assert isinstance(message, discord.Message)  # interactions come here after a restart only
            return self.turn_away(message, str(error), parts)
        except QueueClosedError:
            return self._put_off(message, sent, parts)
        log_taken(message.id, key, pending, source)
        for reply in sent:
            self._answering.conversations.replied(message.id, reply.id)  # deleting one takes the question back
        return self._accept_and_answer(message, pending, sent, parts)

    async def take_interaction(
        self, asked: AskedInteraction, respond: Callable[[], Awaitable[discord.Message]]
    ) -> None:
        """Take a ticket for an interaction before anything is awaited, and answer it.

        Args:
            asked: is ignored if it was taken before: Discord may deliver it twice.
            respond: makes the first response, which the answer grows in.

        Raises:
            QueueFullError: it was not taken. The text is for the member; the next one's, too.
            QueueClosedError: the bot is shutting down.
        """
        if not self.claim(asked.id):
            return
        pending = self._answering.admit(asked.key, asked.author.id)
        log_taken(asked.id, asked.key, pending, "ask" if asked.target is None else "menu")
        with about_question(asked.id), pending:
            # The response must not wait for the database.
            accepting = asyncio.ensure_future(self._accept(asked))
            try:
                first = await respond()
            except BaseException:  # also where it was cancelled, nothing may stay accepted that nobody sees
                await accepting
                await self._work.turn_away(asked.id)
                raise
            await accepting
            self._answering.conversations.replied(asked.id, first.id)
            await self._work.replied(asked.id, 0, first.id)
            line = await self._answer(asked, pending, [first])
        if line is not None:
            await self._delivery.decline(asked, line, [first])

    async def _accept_and_answer(
        self,
        asked: Asking,
        pending: PendingQuestion,
        sent: Sequence[discord.Message],
        parts: Sequence[discord.Message],
    ) -> None:
        with about_question(asked.id), pending:
            await self._accept(asked, parts)
            line = await self._answer(asked, pending, sent, parts)
        if line is None:
            return
        if isinstance(asked, AskedInteraction):
            await self._delivery.decline(asked, line, sent)
        else:
            await self.turn_away(asked, line, parts)

    async def _answer(
        self,
        asked: Asking,
        pending: PendingQuestion,
        sent: Sequence[discord.Message],
        parts: Sequence[discord.Message] = (),
    ) -> str | None:
        """Read and answer a question; return the line to say instead if there is nothing to answer."""
        read = await self._reader.read(asked, parts)
        if read.question is None:
            greeting = remarks.NOTHING_ASKED if isinstance(asked, AskedInteraction) else self._reader.greeting()
            return "\n".join(read.remarks) or greeting
        if lost := self._lost_quotes(read.question):
            pending.change(MessageChanges(dict.fromkeys(lost)))
        place = AnswerPlace(asked) if pending.is_gone(read.question) else await self._threads.open(asked)
        if place.remark:
            read.remarks.append(place.remark)
        # Asked before: in its thread it would survive what its channel has forgotten while that was opened.
        is_gone = pending.is_gone(read.question)
        answer = pending.ask(replace(read.question, key=self._reader.key(place.question)))
        if is_gone:
            answer.take_back()
        await self._delivery.deliver(place.question, answer, remarks=read.remarks, sent=sent)
        return None

    def _lost_quotes(self, question: Question) -> list[int]:
        """The quoted messages that were deleted or forgotten after the question came, but before it had its ticket."""
        channel_id = question.key.channel_id
        return [
            quote.message_id
            for quote in question.asked.quotes
            if self._delivery.was_deleted(quote.message_id)
            or self.forgotten.holds(question.id, quote.author_id, channel_id)
        ]

    def loss_of(self, target: discord.Message, since_id: int) -> str | None:
        """Why the bot may not read a message any more that it was given earlier, in a line for the asker.

        Args:
            since_id: when it was given, as a Discord id.
        """
        if self._delivery.was_deleted(target.id):
            return remarks.DELETED.format(remarks.TARGET)
        if self.forgotten.holds(since_id, target.author.id, target.channel.id):
            return remarks.UNREADABLE.format(remarks.TARGET)
        return None

    async def may_be_taken_edited(self, message_id: int) -> bool:
        """Whether a message that was edited may be taken: it was not meant for the bot before, or asked nothing."""
        told = self._turned_away.get(message_id)
        if told is None:
            return not (
                self.has_taken(message_id)
                or await self._answering.conversations.has_turn(message_id)
                or await self._work.is_part(message_id)
            )
        await told.wait()
        if self._turned_away.pop(message_id, None) is not None:
            self._taken.pop(message_id, None)
        return not self.has_taken(message_id)

    def turn_away(
        self, message: discord.Message, line: str, parts: Sequence[discord.Message] = ()
    ) -> Coroutine[Any, Any, None]:
        """Say why a message that was taken gets no answer; after an edit it may get one."""
        told = self._turned_away[message.id] = asyncio.Event()
        if len(self._turned_away) > _MOST_TAKEN:
            self._turned_away.popitem(last=False)
        return self._tell(message, line, told, parts)

    async def _tell(
        self, message: discord.Message, line: str, told: asyncio.Event, parts: Sequence[discord.Message]
    ) -> None:
        try:
            if parts:
                await self._work.note_parts(message.id, [part.id for part in parts])
            await self._notices.say(message, line)
        finally:
            told.set()

    async def pass_over(self, messages: Sequence[discord.Message]) -> None:
        """Let messages get no answer, after a restart either."""
        for message in messages:
            if self.claim(message.id):
                await self._work.turn_away(message.id)

    def has_taken(self, message_id: int) -> bool:
        """Whether a message was taken since the start, by itself or as a part of a later one's question."""
        return message_id in self._taken or message_id in self._parts

    def claim(self, message_id: int) -> bool:
        """Take a message; return False if it was taken before."""
        if message_id in self._taken:
            return False
        _keep_latest(self._taken, [message_id])
        return True

    async def _accept(self, message: Asking, parts: Sequence[discord.Message] = ()) -> None:
        # With the channel that holds the message, where recovery finds it; its thread is found from there.
        interaction = message.record if isinstance(message, AskedInteraction) else None
        key, part_ids = self._reader.key(message), [part.id for part in parts]
        await self._work.accept(message.id, key, message.author.id, interaction=interaction, parts=part_ids)

    async def _put_off(
        self, message: Asking, sent: Sequence[discord.Message], parts: Sequence[discord.Message]
    ) -> None:
        with about_question(message.id):
            await self._accept(message, parts)
            place = await self._threads.open(message)
            await self._delivery.put_off(place.question, sent)


def log_taken(message_id: int, key: ConversationKey, pending: PendingQuestion, source: str) -> None:
    """Log that a question has its ticket, and what brought it."""
    logger.info(
        "Question taken in: message_id=%d channel=%d source=%s position=%d",
        *(message_id, key.channel_id, source, pending.position),
    )


def _keep_latest(ids: OrderedDict[int, None], added: Sequence[int]) -> None:
    ids.update(dict.fromkeys(added))
    while len(ids) > _MOST_TAKEN:
        ids.popitem(last=False)


async def _nothing() -> None:
    pass
