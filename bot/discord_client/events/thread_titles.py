"""The threads that the bot opens get a better name once their first question is answered and the engine is idle."""

from __future__ import annotations

import asyncio
import logging
from itertools import islice

import discord
from discord.ext import commands

from bot.answering.answer import Answer
from bot.answering.titles import Titles
from bot.discord_client.incoming.asked_interaction import AskedInteraction, Asking
from bot.discord_client.incoming.question_threads import QuestionThreads
from bot.discord_client.incoming.quoted_message import MessageFinder
from bot.discord_client.incoming.thread_names import name_of_question, title_from
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.retry import pauses
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency
from bot.engine.interface import FinishReason, Outcome

logger = logging.getLogger(__name__)

_TRIES = 3
_ANSWERED = (FinishReason.STOP, FinishReason.LENGTH, FinishReason.REPEATED)


class ThreadTitles(commands.Cog):
    """Renames each thread once at most: Discord allows two renames in ten minutes.

    What a restart interrupts is done after the next answer in the thread.

    Args:
        titles: written by the model.
        threads: know which threads the bot has opened.
        pace: decides when a request starts.
    """

    def __init__(self, titles: Titles, threads: QuestionThreads, pace: RequestPace) -> None:
        self._titles = titles
        self._threads = threads
        self._pace = pace
        self._finder = MessageFinder()
        self._tried: set[int] = set()  # ids of threads
        self._tasks: set[asyncio.Task[None]] = set()

    @commands.Cog.listener()
    async def on_answered(self, message: Asking | discord.PartialMessage, answer: Answer, outcome: Outcome) -> None:
        """Find a title in the background."""
        if isinstance(message, AskedInteraction):
            return  # it may be private
        thread = message.channel
        if outcome.reason not in _ANSWERED or thread.id in self._tried or not self._threads.is_own(thread):
            return
        self._tried.add(thread.id)
        task = asyncio.create_task(self._rename(message, answer), name=f"title of {thread.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cog_unload(self) -> None:
        """Leave the threads as they are."""
        for task in self._tasks:
            task.cancel()

    async def _rename(self, message: discord.Message | discord.PartialMessage, answer: Answer) -> None:
        first: discord.Message | None
        if isinstance(message, discord.Message) and message.id == message.channel.id:
            first = message
        else:
            first = (await self._finder.starter_of(self._threads.known(message), message)).message
        if first is None:
            return
        thread, name = self._threads.known(message), name_of_question(first, self._threads.own_id)
        if thread.archived or thread.name != name:
            return
        title = title_from(await self._titles.title_of(answer.question.key))
        if not title or title == name:
            logger.debug("Thread keeps its name: thread=%d", thread.id)
            return
        for seconds in islice(pauses(), _TRIES):
            refusal = await self._try_to_rename(message, name, title)
            if refusal is None or not refusal.is_passing:
                return
            await self._pace.pause(seconds)

    async def _try_to_rename(
        self, message: discord.Message | discord.PartialMessage, name: str, title: str
    ) -> Refusal | None:
        """Rename a thread, unless somebody has named it since; return why Discord does not do it."""
        async with self._pace.slot(Action.EDIT, message.channel.id, Urgency.POSITION) as slot:
            thread = self._threads.known(message)
            if thread.archived or thread.name != name:
                slot.give_back()
                return None
            try:
                async with request_time_limit():
                    await thread.edit(name=title)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
                logger.info("Thread not renamed: thread=%d cause=%s", thread.id, refusal.reason)
                return refusal
        logger.info("Thread renamed: thread=%d", thread.id)
        return None
