"""Shows one growing answer at the pace that Discord allows, until Discord has all of it.

The producer of the text never awaits Discord: it leaves the newest text here, and one task for each reply brings
Discord up to date.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

import discord

from bot.discord_client.incoming.asked_interaction import Asked
from bot.discord_client.replies.outcome_notes import deleted_note, thinking_note
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_buttons import ReplyButtons
from bot.discord_client.replies.reply_layout import ReplyLayout
from bot.discord_client.replies.reply_messages import ReplyMessages, Step
from bot.discord_client.replies.reply_retries import ReplyRetries
from bot.discord_client.replies.reply_timing import EDIT_SECONDS, POSITION_SECONDS, ReplyTiming
from bot.discord_client.replies.stop_button import StopButtons
from bot.discord_client.replies.thoughts import ShownThought
from bot.discord_client.rest.pace import RequestPace, Slot
from bot.discord_client.rest.permissions import send_permission
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Urgency

logger = logging.getLogger(__name__)


class ReplyEditor:
    """Shows one answer as a reply to one question.

    Args:
        question: what to reply to.
        pace: decides when a request starts.
        messages: those of the reply.
        max_messages: upper bound for them.
        reports: tell the asker what the bot lacks here.
        header: a line above the answer.
        ping_at: from when on (`time.monotonic`) the first text notifies the asker.
        edit_seconds: the shortest time between two edits of a growing text, and the first pause after a failure.
        position_seconds: the shortest time between two positions.
    """

    def __init__(
        self,
        question: Asked,
        pace: RequestPace,
        messages: ReplyMessages,
        *,
        max_messages: int,
        reports: RefusalReports,
        header: str = "",
        ping_at: float = math.inf,
        edit_seconds: float = EDIT_SECONDS,
        position_seconds: float = POSITION_SECONDS,
    ) -> None:
        self._question = question
        self._pace = pace
        self._reports = reports
        self._messages = messages
        line_for = partial(reports.line_below_answer, question)
        self._layout = ReplyLayout(self._messages, max_messages, send_permission(question.channel), line_for, header)
        self._last_urgency = Urgency.LAST_TEXT
        self.timing = ReplyTiming(
            ping_at=ping_at,
            edit_seconds=edit_seconds,
            position_seconds=position_seconds,
            shows_text=messages.count > 0 and not header,
        )
        self._last_buttons: ReplyButtons | None = None
        self._taken_back = False
        self._grows = False  # whether it has a text, which is known to the pace
        self._on_refused: Callable[[], None] = lambda: None
        self._changed = asyncio.Event()
        self._outdated = False  # whether Discord may show something else than it should
        self._retries = ReplyRetries(pace, question.id, question.channel.id, 2 * edit_seconds)
        self._slot: Slot | None = None
        self._task: asyncio.Task[None] | None = None
        self.undeliverable = asyncio.Event()  # set when Discord refuses for good: no permission, reply deleted

    @property
    def takes_more(self) -> bool:
        """Whether more text would be shown."""
        is_refused = self.undeliverable.is_set() or self._layout.replacement
        return not (is_refused or self._taken_back or self._messages.is_out_of_time)

    @property
    def is_taken_back(self) -> bool:
        """Whether its question was deleted."""
        return self._taken_back

    @property
    def is_out_of_time(self) -> bool:
        """Whether Discord will soon take no more of it, here or elsewhere."""
        return self._messages.is_out_of_time

    @property
    def messages(self) -> Sequence[discord.Message]:
        """The messages of the reply that Discord shows."""
        return self._messages.shown

    def on_refused(self, call: Callable[[], None]) -> None:
        """Call something as soon as no more text would be shown."""
        self._on_refused = call

    def show(self, text: str, *, is_new: bool = True) -> None:
        """Take the newest text of the answer; returns at once."""
        self.timing.has_new_text |= is_new
        self._layout.text = text
        self._layout.note = ""
        self._wake()

    def show_progress(self, line: str, *, soon: bool = False) -> None:
        """Take a line to show until there is a text; returns at once.

        Args:
            soon: whether the line before it is wrong by now.
        """
        if soon:
            self.timing.position_soon()
        self._layout.note = line
        self._wake()

    def show_thinking(self) -> None:
        """Say that the model thinks before its answer; returns at once."""
        self.show_progress(thinking_note(self.timing.seconds_of_thinking()))

    def show_thought(self, thought: ShownThought | None) -> None:
        """Take what is to be shown of the thought, once the answer is finished."""
        self._layout.thought = thought

    async def finish(
        self,
        text: str,
        note: str = "",
        urgency: Urgency = Urgency.LAST_TEXT,
        *,
        is_news: bool = True,
        cut_off: bool = False,
        buttons: ReplyButtons | None = None,
    ) -> bool:
        """Show the whole answer with a note below it, and wait until Discord has it, however long that takes.

        Args:
            is_news: whether a note without a text may notify the asker.
            cut_off: whether the answer ended before the model ended it.
            buttons: below it.

        Returns:
            False if Discord refuses it for good, or if it was taken back.
        """
        self._layout.text = text
        self._layout.note = note
        self._last_urgency = urgency
        self._layout.cut_off = cut_off
        self._last_buttons = buttons
        self._layout.finished = True
        if not text.strip() and not is_news:
            self.timing.no_ping()
        self._wake()
        assert self._task is not None  # since `_wake`
        await self._task
        return not self.undeliverable.is_set() and not self._taken_back

    async def suspend(self, text: str, note: str) -> bool:
        """Show what there is of an answer that a restart goes on with; otherwise as `finish`."""
        self._layout.suspended = True
        return await self.finish(text, note, Urgency.NOTICE, is_news=False)

    def take_back(self) -> None:
        """Delete what Discord shows of the reply, and show nothing more; returns at once."""
        self._taken_back = True
        self._layout.finished = True
        self._wake()

    def end_in_time(self, *, keeps_text: bool) -> None:
        """Go on elsewhere, or end the answer with what there is, because Discord soon takes no more of it here.

        Args:
            keeps_text: end an answer that has a text already: others may be reading it.
        """
        if self._layout.finished:
            return
        if (keeps_text and self._layout.text.strip()) or not self._messages.move_on():
            self._messages.is_out_of_time = True
            self._on_refused()
        self._wake()

    def _wake(self) -> None:
        self._outdated = True
        self._changed.set()
        if self._slot is not None:
            self._slot.urgency = self._urgency
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"reply to {self._question.id}")

    async def _follow(self) -> None:
        with ExitStack() as growing:
            while not self.undeliverable.is_set():
                if (seconds := self._due_at() - time.monotonic()) > 0:
                    await self._wait_for_change(seconds)
                    continue
                if self._layout.text and not self._grows:
                    self._grows = True
                    growing.enter_context(self._pace.growing(self._messages.place_id))
                self._outdated = False
                step = self._next_step()
                if step is not None:
                    self._outdated = True
                    await self._take_turn(step)
                elif self._layout.finished:
                    return

    def _due_at(self) -> float:
        """When the next request may be made."""
        if not self._outdated:
            return math.inf
        return self.timing.due_at(has_text=bool(self._layout.text), finished=self._layout.finished)

    async def _wait_for_change(self, seconds: float) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(None if seconds == math.inf else seconds):
                await self._changed.wait()

    @property
    def _urgency(self) -> Urgency:
        if self._layout.finished:
            # Without a message it keeps its turn among first texts: short answers must not overtake long ones for ever.
            return self._last_urgency if self._messages.count else max(self._last_urgency, Urgency.FIRST_TEXT)
        if not self._layout.text:
            return Urgency.POSITION
        return Urgency.GROWING_TEXT if self.timing.shows_text else Urgency.FIRST_TEXT

    def _next_step(self) -> Step | None:
        if self._taken_back:
            return self._messages.next_removal(deleted_note())
        is_position = not self._layout.text.strip() and not self._layout.finished
        if not is_position and self.timing.ping_now():
            self._messages.begin_anew(pings=True)  # an edit notifies nobody, so a late text gets a message of its own
        buttons = self._last_buttons if self._layout.finished else StopButtons(self._question.id)
        return self._messages.next_step(self._layout.plan(), buttons, growing=not self._layout.finished)

    async def _take_turn(self, planned: Step) -> None:
        """Wait for the next turn, and use it for what is to be shown by then."""
        self._slot = self._pace.slot(planned.action, self._messages.place_id, self._urgency, self.timing.moved_at)
        async with self._slot as slot:
            self._slot = None
            step = self._next_step()
            if step is None or step.action is not planned.action:
                slot.give_back()
                return
            refusal = None
            try:
                async with request_time_limit():
                    await self._messages.take(step)
            except Exception as error:  # noqa: BLE001 - a bug too is met, and logged
                refusal = refusal_of(error) or self._retries.unexpected(error)
                self._pace.failed(slot, refusal)
        if refusal is not None:
            await self._meet(step, refusal)
            return
        self._pace.succeeded()
        self._retries.succeeded()
        self.timing.moved(has_text=bool(self._layout.text))

    async def _meet(self, step: Step, refusal: Refusal) -> None:
        """Try again later, do it in another way, or end."""
        channel_id, message_id = self._question.channel.id, self._question.id
        adapt = self._messages.adapt_removal if self._taken_back else self._messages.adapt
        if refusal.is_passing:
            await self._retries.wait(refusal)
        elif refusal.of_content and self._layout.thought is not None:
            self._layout.thought = None  # the answer alone may pass
        elif not self._taken_back and self._layout.replaces_text(step, refusal):
            logger.warning(
                "Discord blocks an answer: message_id=%d channel=%d cause=%s", message_id, channel_id, refusal.reason
            )
            self._on_refused()
        elif adapt(step, refusal):
            logger.info("Adapting a reply: message_id=%d channel=%d cause=%s", message_id, channel_id, refusal.reason)
            if self._messages.is_out_of_time:
                self._on_refused()
        else:
            logger.warning(
                "Discord refuses a reply: message_id=%d channel=%d cause=%s", message_id, channel_id, refusal.reason
            )
            self.undeliverable.set()
            self._on_refused()
            if not self._taken_back:
                await self._reports.tell_asker(self._question, step.action, refusal)
