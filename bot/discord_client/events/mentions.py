"""A mention becomes a question, and its answer a reply."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import discord
from discord.ext import commands

from bot.answering.queue import QueueClosedError, QueueFullError
from bot.answering.service import AnswerService, PendingQuestion
from bot.conversation.store import WorkStore
from bot.discord_client.incoming.reader import QuestionReader
from bot.discord_client.replies.delivery import ReplyDelivery
from bot.discord_client.replies.outcome_notes import suspended_note

_MOST_TAKEN = 10_000
_GREETING = "Hello! Write your question after my name, in the same message."


class MentionCog(commands.Cog):
    """Answers those who mention the bot, and everybody who writes to it directly.

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
        self._taken: OrderedDict[int, None] = OrderedDict()  # the messages that were begun with
        self.caught_up = asyncio.Event()  # set when what was accepted before the start is in the line again
        self.looked_through: dict[int, asyncio.Event] = {}  # for channels in which something may have been missed

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        if self._reader.is_meant_for_bot(message):
            await self.caught_up.wait()
            if (looked_through := self.looked_through.get(message.channel.id)) is not None:
                await looked_through.wait()  # what was asked before it comes before it
            await self.answer(message)

    async def answer(
        self, message: discord.Message, *, accepted_before: bool = False, sent: Sequence[discord.Message] = ()
    ) -> None:
        """Answer a message, once however often it comes here.

        Args:
            message: the message that asks.
            accepted_before: it was accepted before a restart, and is answered however many wait.
            sent: messages that show a part of the answer already.
        """
        if not self._take(message.id):
            return
        if self._reader.is_empty(message):
            await self._turn_away(message, _GREETING)
            return
        key = self._reader.key(message)
        try:
            # Before anything is awaited, so that the queue has the order of the channel.
            pending = self._answering.admit(key, message.author.id, accepted_before=accepted_before)
        except QueueFullError as error:
            await self._turn_away(message, str(error))
        except QueueClosedError:
            await self._put_off(message)
        else:
            await self._answer_in_turn(message, pending, sent)

    async def _answer_in_turn(
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

    def _take(self, message_id: int) -> bool:
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


async def _say(message: discord.Message, line: str) -> discord.Message:
    return await message.channel.send(line, reference=message.to_reference(fail_if_not_exists=False))
