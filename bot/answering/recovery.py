"""After a start or a break in the connection: in each channel finish what was accepted, then answer what was missed.

Await `Recovery.wait_for_turn` before answering a new message, so that earlier questions of its channel have their
tickets first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from typing import Generic, Protocol, TypeVar

from bot.conversation.snowflake import snowflake_at
from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.errors import DatabaseOutageError
from bot.settings_table import LONGEST_MISSED_HOURS

logger = logging.getLogger(__name__)

_MOST_CHANNELS = 200
_SEEN_FOR = timedelta(hours=LONGEST_MISSED_HOURS)
"""The next start may look back further than this one."""
_RETRY_SECONDS = (5.0, 15.0, 60.0, 300.0, 900.0)


class MessageGoneError(Exception):
    """The message was deleted."""


class UnreachableError(Exception):
    """A message or a channel cannot be read.

    Attributes:
        is_passing: whether it may be readable soon; otherwise somebody must change a permission first.
    """

    def __init__(self, reason: str, *, is_passing: bool) -> None:
        super().__init__(reason)
        self.is_passing = is_passing


class _Message(Protocol):
    @property
    def id(self) -> int: ...


Message = TypeVar("Message", bound=_Message)


class Inbox(Protocol[Message]):
    """The messages that recovery reads and has answered; `bot.discord_client` implements it."""

    async def resume(self, question: UnfinishedQuestion) -> None:
        """Go on with an accepted question, unless it was taken since the start; it has its ticket on return.

        Raises:
            MessageGoneError: the question was deleted.
            UnreachableError: the question cannot be read.
        """

    async def missed(self, channel_id: int, after_id: int) -> Sequence[Message]:
        """The latest messages for the bot that came after one, the oldest first.

        Raises:
            MessageGoneError: the channel was deleted.
            UnreachableError: the channel cannot be read.
        """

    def answer(self, messages: Sequence[Message]) -> None:
        """Take tickets for messages of one channel at once, and answer them in the background."""

    def close(self) -> None:
        """Stop everything that runs in the background."""


class Recovery(Generic[Message]):
    """Owns the order in which accepted, missed and new questions get their tickets.

    Args:
        inbox: reads messages and has them answered.
        work: knows what was accepted and what was seen.
        missed_for: the oldest age at which a missed message is still answered; zero answers none.
        pause: waits between two tries.
        also_searched: channels without a conversation in which something may have been missed, each with the message
            after which to search.
        kept_for: the age at which retention forgets what was answered, so that nothing older may be answered.
    """

    def __init__(
        self,
        inbox: Inbox[Message],
        work: WorkStore,
        missed_for: timedelta,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        also_searched: Callable[[], Mapping[int, int]] = dict,
        kept_for: timedelta = timedelta.max,
    ) -> None:
        self._inbox = inbox
        self._work = work
        self._missed_for = min(missed_for, kept_for)
        self._pause = pause
        self._also_searched = also_searched
        self._busy = asyncio.Lock()
        self._known = asyncio.Event()  # it is known in which channels there is something to recover
        self._recovered: dict[int, asyncio.Event] = {}  # by such a channel
        self._retries: dict[str, asyncio.Task[None]] = {}

    async def wait_for_turn(self, channel_id: int) -> None:
        """Wait until every earlier question of a channel has its ticket."""
        await self._known.wait()
        if (recovered := self._recovered.get(channel_id)) is not None:
            await recovered.wait()

    async def run(self) -> None:
        """Recover once. Call it each time a connection begins that does not resume the one before."""
        if not await self._recover():
            self._keep_trying("recovery", self._recover)

    def close(self) -> None:
        """Stop retrying, and stop the answers that recovery began."""
        for task in self._retries.values():
            task.cancel()
        self._inbox.close()

    async def _recover(self) -> bool:
        async with self._busy:
            try:
                await self._recover_channels()
            except DatabaseOutageError as error:
                logger.error("Cannot read what was accepted and missed, retrying: cause=%s", error)
                return False
            finally:
                self._known.set()
            return True

    async def _recover_channels(self) -> None:
        """Recover each channel on its own, so that one that Discord is slow to read holds up no other."""
        accepted: dict[int, list[UnfinishedQuestion]] = {}
        for question in await self._work.unfinished():
            accepted.setdefault(question.channel_id, []).append(question)
        searched_after = await self._searched_after()
        self._recovered = {channel_id: asyncio.Event() for channel_id in (*accepted, *searched_after)}
        self._known.set()  # in other channels there is nothing to recover
        recovering = (
            self._recover_channel(channel_id, accepted.get(channel_id, ()), searched_after.get(channel_id))
            for channel_id in self._recovered
        )
        for result in await asyncio.gather(*recovering, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _recover_channel(
        self, channel_id: int, accepted: Sequence[UnfinishedQuestion], after_id: int | None
    ) -> None:
        """Go on with what an earlier start accepted, then search the channel, if there is a message to begin after."""
        try:
            for question in accepted:
                if not await self._finish(question):
                    self._keep_trying(f"finish {question.message_id}", partial(self._finish, question))
            if after_id is not None and not await self._answer_missed_in(channel_id, after_id):
                self._keep_trying(f"search {channel_id}", partial(self._answer_missed_in, channel_id, after_id))
        finally:
            self._recovered[channel_id].set()

    async def _finish(self, question: UnfinishedQuestion) -> bool:
        """Go on with a question; return False if that should be tried again."""
        try:
            await self._inbox.resume(question)
        except MessageGoneError:
            await self._work.turn_away(question.message_id)
        except UnreachableError as error:
            # Even a missing permission: who asked waits for this answer.
            logger.warning(
                "Cannot finish an accepted question, retrying: message_id=%d cause=%s", question.message_id, error
            )
            return False
        return True

    async def _searched_after(self) -> dict[int, int]:
        """The channels in which something may have been missed, each with the message after which to search."""
        now = datetime.now(UTC)
        await self._work.forget_seen_before(snowflake_at(now - _SEEN_FOR))
        if not self._missed_for:
            return {}
        oldest = snowflake_at(now - self._missed_for)
        searched = dict(await self._work.channels(_MOST_CHANNELS))
        for channel_id, after_id in self._also_searched().items():
            searched[channel_id] = min(after_id, searched.get(channel_id, after_id))
        return {channel_id: max(oldest, after_id) for channel_id, after_id in searched.items()}

    async def _answer_missed_in(self, channel_id: int, after_id: int) -> bool:
        """Answer what was missed in a channel; return False if that should be tried again."""
        try:
            missed = await self._inbox.missed(channel_id, after_id)
        except MessageGoneError:
            return True
        except UnreachableError as error:
            until = ", retrying" if error.is_passing else ""
            logger.info("Cannot look for missed questions%s: channel=%d cause=%s", until, channel_id, error)
            return not error.is_passing
        unseen = await self._work.unseen([message.id for message in missed]) if missed else set()
        for message_id in sorted(unseen):
            logger.info("Answering a missed question: message_id=%d", message_id)
        self._inbox.answer([message for message in missed if message.id in unseen])
        return True

    def _keep_trying(self, name: str, attempt: Callable[[], Awaitable[bool]]) -> None:
        """Try again in the background until it works, unless something of that name is being tried already."""
        if name in self._retries:
            return

        async def keep_trying() -> None:
            for seconds in chain(_RETRY_SECONDS, repeat(_RETRY_SECONDS[-1])):
                await self._pause(seconds)
                try:
                    if await attempt():
                        return
                except DatabaseOutageError as error:
                    logger.info("Cannot recover yet: work=%s cause=%s", name, error)

        task = self._retries[name] = asyncio.create_task(keep_trying(), name=name)
        task.add_done_callback(lambda _: self._retries.pop(name, None))
