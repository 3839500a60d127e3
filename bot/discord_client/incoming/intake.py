"""From a Discord message to its delivered reply: ticket first, then reading, answering and delivery."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from typing import Any

import discord

from bot.answering.queue import QueueClosedError, QueueFullError
from bot.answering.service import AnswerService, PendingQuestion
from bot.conversation.store import WorkStore
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.outcome_notes import suspended_note

_MOST_TAKEN = 10_000
_GREETING = "Hello! Write your question in the message that mentions me."


class QuestionIntake:
    """Answers messages, each of them once.

    Args:
        answering: turns questions into answers.
        reader: reads messages.
        delivery: shows answers.
        work: keeps what was accepted.
    """

    def __init__(
        self, answering: AnswerService, reader: QuestionReader, delivery: ReplyDelivery, work: WorkStore
    ) -> None:
        self._answering = answering
        self._reader = reader
        self._delivery = delivery
        self._work = work
        self._taken: OrderedDict[int, None] = OrderedDict()  # ids of messages

    def take(
        self, message: discord.Message, *, accepted_before: bool = False, sent: Sequence[discord.Message] = ()
    ) -> Coroutine[Any, Any, None]:
        """Take a ticket for a message before anything is awaited, so that the queue has the order of these calls.

        Args:
            message: is ignored if it was taken before.
            accepted_before: it was accepted before a restart, so no limit of the queue applies.
            sent: messages that show a part of the answer already.

        Returns:
            the rest of the work, to be awaited by the caller.
        """
        if not self._is_new(message.id):
            return _nothing()
        if self._reader.is_empty(message):
            return self._turn_away(message, _GREETING)
        key = self._reader.key(message)
        try:
            pending = self._answering.admit(key, message.author.id, accepted_before=accepted_before)
        except QueueFullError as error:
            return self._turn_away(message, str(error))
        except QueueClosedError:
            return self._put_off(message)
        for reply in sent:
            self._answering.conversations.replied(message.id, reply.id)  # deleting one takes the question back
        return self._answer(message, pending, sent)

    async def _answer(
        self, message: discord.Message, pending: PendingQuestion, sent: Sequence[discord.Message]
    ) -> None:
        with pending:
            await self._accept(message)
            read = await self._reader.read(message)
            if read.question is not None:
                answer = pending.ask(read.question)
                await self._delivery.deliver(message, answer, remarks=read.remarks, sent=sent)
                return
        await self._turn_away(message, "\n".join(read.remarks) or _GREETING)

    def _is_new(self, message_id: int) -> bool:
        if message_id in self._taken:
            return False
        self._taken[message_id] = None
        if len(self._taken) > _MOST_TAKEN:
            self._taken.popitem(last=False)
        return True

    async def _accept(self, message: discord.Message) -> None:
        await self._work.accept(message.id, self._reader.key(message), message.author.id)

    async def _turn_away(self, message: discord.Message, line: str) -> None:
        await self._work.turn_away(message.id)
        await _say(message, line)

    async def _put_off(self, message: discord.Message) -> None:
        await self._accept(message)
        reply = await _say(message, suspended_note())
        await self._work.replied(message.id, 0, reply.id)


async def _nothing() -> None:
    pass


async def _say(message: discord.Message, line: str) -> discord.Message:
    return await message.channel.send(line, reference=message.to_reference(fail_if_not_exists=False))
