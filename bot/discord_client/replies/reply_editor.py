"""A reply that grows by edits, at the pace that Discord allows.

Discord takes about five edits in five seconds a channel, and discord.py sleeps inside an awaited call when that is
too fast. So whoever produces text never waits for Discord: it leaves the newest text here, and one task a reply
brings Discord up to it.
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
# discord.py tries again by itself on 429 and 5xx; these are what still comes through. A connection that is reset
# reaches us as aiohttp's error, not as discord.py's.
_TRANSIENT = (discord.DiscordServerError, aiohttp.ClientError, OSError, asyncio.TimeoutError)


class ReplyRecord(Protocol):
    """Keeps which messages show an answer."""

    async def sent(self, position: int, message_id: int) -> None:
        """A message shows a part of it: the first (0), the second, and so on."""

    async def about_to_delete(self, message_id: int) -> None:
        """A message will not show a part of it any more."""


@dataclass(slots=True)
class _Sent:
    message: discord.Message
    body: str
    has_view: bool


class ReplyEditor:
    """Shows one answer as a reply to one message.

    Args:
        question: the message to reply to.
        max_messages: the most messages that the answer may take.
        make_view: makes the buttons that the last message carries while the answer grows.
        record: keeps which messages show the answer.
        sent: messages that show it already, from before a restart.
        interval_seconds: the shortest time from one round of edits to the next.
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
        self.undeliverable = asyncio.Event()  # set when Discord refuses for good: no permission, or reply deleted

    def show(self, text: str) -> None:
        """Leave the newest text of the answer; returns at once."""
        self._text = text
        self._note = ""
        self._wake()

    def show_position(self, position: int) -> None:
        """Tell where the question stands among those that wait, 1 being next; returns at once."""
        before = {1: "Yours is next", 2: "1 question comes before yours"}
        place = before.get(position, f"{position - 1:,} questions come before yours")
        self._note = f"I am answering other questions right now. {place}."
        self._wake()

    async def finish(self, text: str, note: str = "") -> bool:
        """Show the whole answer, with a line of our own below it where there is one, and wait until it is there.

        Returns:
            False if Discord could not be reached, so that trying again later may help.
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
                await self._bring_up_to(self._plan(), growing=not finished)
            except _TRANSIENT as error:
                logger.warning("A reply could not be brought up to date, trying again: %r", error)
                failures += 1
                last_edit_failures += finished
                self._changed.set()
            except discord.HTTPException as error:
                logger.warning("A reply cannot be delivered: %s", error)
                self.undeliverable.set()
            else:
                failures = 0
                if finished:
                    return True
            if last_edit_failures == _LAST_EDIT_TRIES:
                logger.error("The end of a reply could not be delivered, in %d tries.", last_edit_failures)
                return False
            # Longer after each failure; never shorter than Discord's pace.
            pause = self._interval_seconds * 2 ** min(failures, _LONGEST_BACK_OFF)
            await asyncio.sleep(started + pause - time.monotonic())
        return True

    def _plan(self) -> ReplyPlan:
        return plan_reply(self._text, note=self._note, max_messages=self._max_messages, finished=self._finished)

    async def _bring_up_to(self, plan: ReplyPlan, *, growing: bool) -> None:
        last = len(plan.bodies) - 1
        for index, body in enumerate(plan.bodies):
            has_view = growing and index == last
            attachment = plan.attachment if index == last else None
            if index == len(self._sent):
                await self._send(index, body, has_view, attachment)
            elif attachment is not None or (self._sent[index].body, self._sent[index].has_view) != (body, has_view):
                await self._edit(self._sent[index], body, has_view, attachment)
        # The last text can be shorter in messages than one that was shown before it. One that still grows may come to
        # need them again, as it does after a restart.
        while not growing and len(self._sent) > len(plan.bodies) > 0:
            await self._record.about_to_delete(self._sent[-1].message.id)
            await self._sent[-1].message.delete()
            self._sent.pop()

    async def _send(self, index: int, body: str, has_view: bool, attachment: str | None) -> None:
        reference = self._question.to_reference(fail_if_not_exists=False) if index == 0 else None
        message = await self._question.channel.send(
            body,
            reference=reference,  # type: ignore[arg-type]  # None is taken; discord.py's overloads leave it out
            # The same number each time, so that a try whose answer was lost is not sent twice.
            nonce=f"{self._question.id}-{index}",
            view=self._make_view() if has_view else None,  # type: ignore[arg-type]  # as above
            files=_files(attachment),
        )
        sent = _Sent(message, message.content, bool(message.components))
        self._sent.append(sent)
        await self._record.sent(index, message.id)
        if (sent.body, sent.has_view, bool(message.attachments)) != (body, has_view, attachment is not None):
            # An earlier try had arrived after all, with what the answer was then, and Discord keeps to that one.
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
