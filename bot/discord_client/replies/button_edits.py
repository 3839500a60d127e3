"""Changes the buttons below finished answers, when Discord has nothing better to do."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import discord

from bot.discord_client.replies.reply_buttons import ReplyButtons
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.retry import pauses
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency
from bot.log_context import about_question

logger = logging.getLogger(__name__)


class ButtonEdits:
    """Edits the last messages of finished answers, each until Discord has it or refuses it for good.

    Args:
        pace: decides when a request starts.
        running: knows which answers are still being shown.
    """

    def __init__(self, pace: RequestPace, running: RunningReplies) -> None:
        self._pace = pace
        self._running = running
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self,
        question_id: int,
        last_message: Callable[[], Awaitable[discord.PartialMessage | None]],
        wanted: Callable[[], ReplyButtons | None],
    ) -> None:
        """Change the buttons of one answer in the background.

        Args:
            question_id: what the answer is to.
            last_message: of the answer; called once it is delivered.
            wanted: the buttons as they should be by the time of the request.
        """
        with about_question(question_id):
            work = self._change(question_id, last_message, wanted)
            task = asyncio.create_task(work, name=f"buttons of {question_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is not done yet. A click on a button that stays removes it."""
        for task in self._tasks:
            task.cancel()

    async def _change(
        self,
        question_id: int,
        last_message: Callable[[], Awaitable[discord.PartialMessage | None]],
        wanted: Callable[[], ReplyButtons | None],
    ) -> None:
        await self._running.wait_until_ended(question_id)
        message, waits = await last_message(), pauses()
        while message is not None and self._running.get(question_id) is None:  # else its end sets them
            refusal = await self._edit(message, wanted)
            if refusal is None:
                return
            if not refusal.is_passing:
                place = question_id, message.id, message.channel.id
                logger.info(
                    "Buttons stay as they are: message_id=%d reply=%d channel=%d cause=%s", *place, refusal.reason
                )
                return
            await self._pace.pause(next(waits))

    async def _edit(self, message: discord.PartialMessage, wanted: Callable[[], ReplyButtons | None]) -> Refusal | None:
        since = time.monotonic()  # in a busy channel, it becomes more urgent
        async with self._pace.slot(Action.EDIT, message.channel.id, Urgency.POSITION, since) as slot:
            buttons = wanted()
            try:
                async with request_time_limit():
                    await message.edit(view=buttons.view() if buttons is not None else None)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
                return refusal
        self._pace.succeeded()
        return None
