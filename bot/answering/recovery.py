"""After a start or a break in the connection: finish what was accepted, then answer what was missed, in order.

Await `Recovery.wait_for_turn` before answering a new message, so that earlier questions of its channel have their
tickets first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from bot.answering.snowflake import snowflake_at
from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_MOST_CHANNELS = 200
_RETRY_SECONDS = (5.0, 15.0, 60.0, 300.0, 900.0)


class MessageGoneError(Exception):
    """The message was deleted."""


class UnreachableError(Exception):
    """A message or a channel cannot be read now, for a reason that may pass."""


class _Message(Protocol):
    @property
    def id(self) -> int: ...


Message = TypeVar("Message", bound=_Message)


class Inbox(Protocol[Message]):
    """The messages that recovery reads and has answered; `bot.discord_client` implements it."""

    async def resume(self, question: UnfinishedQuestion) -> None:
        """Go on with an accepted question; it has its ticket on return.

        Raises:
            MessageGoneError: the question was deleted.
            UnreachableError: the question cannot be read now.
        """

    async def missed(self, channel_id: int, after_id: int) -> Sequence[Message]:
        """The latest messages for the bot that came after one, the oldest first.

        Raises:
            UnreachableError: the channel cannot be read now.
        """

    def answer(self, message: Message) -> None:
        """Take a ticket for a message at once, and answer it in the background."""

    def close(self) -> None:
        """Stop everything that runs in the background."""


class Recovery(Generic[Message]):
    """Owns the order in which accepted, missed and new questions get their tickets.

    Args:
        inbox: reads messages and has them answered.
        work: knows what was accepted and what was seen.
        missed_for: the oldest age at which a missed message is still answered; zero answers none.
        sleep: waits between retries.
    """

    def __init__(
        self,
        inbox: Inbox[Message],
        work: WorkStore,
        missed_for: timedelta,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._inbox = inbox
        self._work = work
        self._missed_for = missed_for
        self._sleep = sleep
        self._busy = asyncio.Lock()
        self._resumed = asyncio.Event()  # accepted questions have their tickets
        self._searched: dict[int, asyncio.Event] = {}  # by channel in which something may have been missed
        self._retries: set[asyncio.Task[None]] = set()

    async def wait_for_turn(self, channel_id: int) -> None:
        """Wait until every earlier question of a channel has its ticket."""
        await self._resumed.wait()
        if (searched := self._searched.get(channel_id)) is not None:
            await searched.wait()

    async def run(self) -> None:
        """Recover once. Call it each time a connection begins that does not resume the one before."""
        async with self._busy:
            try:
                if not self._resumed.is_set():
                    await self._finish_accepted()
            except DatabaseOutageError as error:
                logger.error("Cannot read accepted questions; they wait for the next start: %s", error)
            try:
                await self._answer_missed()
            except DatabaseOutageError as error:
                logger.error("Cannot look for missed questions: %s", error)
            finally:
                self._resumed.set()

    def close(self) -> None:
        """Stop retrying, and stop the answers that recovery began."""
        for task in self._retries:
            task.cancel()
        self._inbox.close()

    async def _finish_accepted(self) -> None:
        for question in await self._work.unfinished():
            if not await self._finish(question):
                task = asyncio.create_task(self._finish_later(question), name=f"finish {question.message_id}")
                self._retries.add(task)
                task.add_done_callback(self._retries.discard)

    async def _finish_later(self, question: UnfinishedQuestion) -> None:
        for seconds in _RETRY_SECONDS:
            await self._sleep(seconds)
            if await self._finish(question):
                return
        logger.error("Gave up on an accepted question until the next start: message=%d", question.message_id)

    async def _finish(self, question: UnfinishedQuestion) -> bool:
        """Go on with a question; return False if it cannot be read now."""
        try:
            await self._inbox.resume(question)
        except MessageGoneError:
            await self._work.turn_away(question.message_id)
        except UnreachableError as error:
            logger.warning("Cannot finish an accepted question now: message=%d: %s", question.message_id, error)
            return False
        return True

    async def _answer_missed(self) -> None:
        if not self._missed_for:
            return
        oldest = snowflake_at(datetime.now(UTC) - self._missed_for)
        await self._work.forget_seen_before(oldest)
        channels = await self._work.channels(_MOST_CHANNELS)
        self._searched = {channel_id: asyncio.Event() for channel_id, _ in channels}
        self._resumed.set()  # in other channels nothing was missed
        try:
            for channel_id, began_id in channels:
                await self._answer_missed_in(channel_id, max(oldest, began_id))
                self._searched[channel_id].set()
        finally:
            for searched in self._searched.values():
                searched.set()

    async def _answer_missed_in(self, channel_id: int, after_id: int) -> None:
        try:
            missed = await self._inbox.missed(channel_id, after_id)
        except UnreachableError as error:
            logger.info("Cannot look for missed questions: channel=%d: %s", channel_id, error)
            return
        unseen = await self._work.unseen([message.id for message in missed]) if missed else set()
        for message in missed:
            if message.id in unseen:
                logger.info("Answering a missed question: message=%d", message.id)
                self._inbox.answer(message)
