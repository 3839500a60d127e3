"""Edits a growing reply at the pace that Discord allows.

Discord takes about five edits in five seconds per channel, and discord.py sleeps inside the awaited call when edits
come faster. So the producer of the text never awaits Discord: it leaves the newest text here, and one task per reply
brings Discord up to date.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import discord

from bot.discord_client.replies.splitting import ReplyPlan, plan_reply

logger = logging.getLogger(__name__)

EDIT_INTERVAL_SECONDS = 1.2
_LAST_EDIT_TRIES = 5
_LONGEST_BACK_OFF = 4  # doublings of the interval
# discord.py itself retries on 429 and 5xx; these errors still come through. A reset connection raises aiohttp's error,
# not discord.py's.
_TRANSIENT = (discord.DiscordServerError, aiohttp.ClientError, OSError, asyncio.TimeoutError)


class ReplyRecord(Protocol):
    """Records which messages show an answer."""

    async def sent(self, position: int, message_id: int) -> None:
        """A message shows a part of the answer: the first (0), the second, and so on."""

    async def about_to_delete(self, message_id: int) -> None:
        """A message that shows a part of the answer is about to be deleted."""


@dataclass(slots=True)
class _Sent:
    message: discord.Message
    body: str
    has_view: bool


class ReplyEditor:
    """Shows one answer as a reply to one message.

    Args:
        question: the message to reply to.
        max_messages: upper bound for the messages of the reply.
        make_view: makes the buttons below the last message while the answer grows.
        record: learns which messages show the answer.
        sent: messages from before a restart that show the answer already.
        interval_seconds: the shortest time between two rounds of edits.
    """

    def __init__(
        self,
        question: discord.Message,
        *,
        max_messages: int,
        make_view: Callable[[], discord.ui.View],
        record: ReplyRecord,
        sent: Sequence[discord.Message] = (),
        interval_seconds: float = EDIT_INTERVAL_SECONDS,
    ) -> None:
        self._question = question
        self._max_messages = max_messages
        self._make_view = make_view
        self._record = record
        self._interval_seconds = interval_seconds
        self._text = ""
        self._note = ""
        self._finished = False
        self._changed = asyncio.Event()
        self._sent = [_Sent(message, message.content, bool(message.components)) for message in sent]
        self._task: asyncio.Task[bool] | None = None
        self.undeliverable = asyncio.Event()  # set when Discord refuses for good: no permission, reply deleted

    def show(self, text: str) -> None:
        """Take the newest text of the answer; returns at once."""
        self._text = text
        self._note = ""
        self._wake()

    def show_position(self, position: int) -> None:
        """Take the question's position in the queue, 1 being next; returns at once."""
        known = {1: "Yours is next", 2: "1 question comes before yours"}
        position_text = known.get(position, f"{position - 1:,} questions come before yours")
        self._note = f"I am answering other questions right now. {position_text}."
        self._wake()

    async def finish(self, text: str, note: str = "") -> bool:
        """Show the whole answer with a note below it, and wait until Discord has it.

        Returns:
            False if Discord could not be reached, so that a later try may succeed.
        """
        self._text = text
        self._note = note
        self._finished = True
        self._wake()
        assert self._task is not None  # since `_wake`
        return await self._task

    def _wake(self) -> None:
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._follow(), name=f"reply to {self._question.id}")

    async def _follow(self) -> bool:
        failures = 0  # since the last success
        last_edit_failures = 0
        while not self.undeliverable.is_set():
            await self._changed.wait()
            self._changed.clear()
            finished = self._finished
            started = time.monotonic()
            try:
                await self._apply(self._plan(), growing=not finished)
            except _TRANSIENT as error:
                logger.warning("Edit of a reply failed, retrying: message=%d: %r", self._question.id, error)
                failures += 1
                last_edit_failures += finished
                self._changed.set()
            except discord.HTTPException as error:
                logger.warning("Discord refuses a reply: message=%d: %s", self._question.id, error)
                self.undeliverable.set()
            else:
                failures = 0
                if finished:
                    return True
            if last_edit_failures == _LAST_EDIT_TRIES:
                logger.error("Gave up on a reply: message=%d tries=%d", self._question.id, last_edit_failures)
                return False
            # Longer after each failure; never shorter than Discord's pace.
            pause = self._interval_seconds * 2 ** min(failures, _LONGEST_BACK_OFF)
            await asyncio.sleep(started + pause - time.monotonic())
        return True

    def _plan(self) -> ReplyPlan:
        return plan_reply(self._text, note=self._note, max_messages=self._max_messages, finished=self._finished)

    async def _apply(self, plan: ReplyPlan, *, growing: bool) -> None:
        last = len(plan.bodies) - 1
        for index, body in enumerate(plan.bodies):
            has_view = growing and index == last
            attachment = plan.attachment if index == last else None
            if index == len(self._sent):
                await self._send(index, body, has_view, attachment)
            elif attachment is not None or (self._sent[index].body, self._sent[index].has_view) != (body, has_view):
                await self._edit(self._sent[index], body, has_view, attachment)
        # The final text can need fewer messages than an earlier one. A growing text may need them again.
        while not growing and len(self._sent) > len(plan.bodies) > 0:
            await self._record.about_to_delete(self._sent[-1].message.id)
            await self._sent[-1].message.delete()
            self._sent.pop()

    async def _send(self, index: int, body: str, has_view: bool, attachment: str | None) -> None:
        reference = self._question.to_reference(fail_if_not_exists=False) if index == 0 else None
        message = await self._question.channel.send(
            body,
            reference=reference,  # type: ignore[arg-type]  # discord.py takes None, but its overloads leave it out
            # The same nonce on each try, so that Discord does not send a message twice whose response was lost.
            nonce=f"{self._question.id}-{index}",
            view=self._make_view() if has_view else None,  # type: ignore[arg-type]  # as above
            files=_files(attachment),
        )
        sent = _Sent(message, message.content, bool(message.components))
        self._sent.append(sent)
        await self._record.sent(index, message.id)
        if (sent.body, sent.has_view, bool(message.attachments)) != (body, has_view, attachment is not None):
            # An earlier try arrived after all, with an older text, and Discord returns that message.
            await self._edit(sent, body, has_view, attachment)

    async def _edit(self, sent: _Sent, body: str, has_view: bool, attachment: str | None) -> None:
        sent.message = await sent.message.edit(
            content=body,
            view=self._make_view() if has_view else None,
            attachments=_files(attachment),
        )
        sent.body = body
        sent.has_view = has_view


def _files(attachment: str | None) -> list[discord.File]:
    if attachment is None:
        return []
    return [discord.File(io.BytesIO(attachment.encode()), filename="answer.md")]
