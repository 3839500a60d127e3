"""Messages in quick succession are one question: they gather until their author pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import discord

from bot.discord_client.incoming.quoted_message import is_reply

QUIET_SECONDS = 2.5
_TYPING_SECONDS = 5.0  # once after each message, so that somebody who only types is not waited for
_MOST_MESSAGES = 10

Take: TypeAlias = Callable[[Sequence[discord.Message]], Coroutine[Any, Any, None]]


@dataclass(eq=False, slots=True)
class _Burst:
    """Messages of one author in one channel.

    Attributes:
        messages: by id, as they read now.
        is_open: whether it takes more in.
        may_extend: whether typing may make it wait longer.
        is_asked: whether they were taken as a question.
    """

    channel_id: int
    author_id: int
    messages: dict[int, discord.Message] = field(default_factory=dict)
    is_open: bool = True
    may_extend: bool = True
    is_asked: bool = False
    waiting: asyncio.Task[None] | None = None


class Bursts:
    """Gathers messages, and has them taken as one question each time their author pauses.

    Questions are taken in the order in which their authors pause, so nobody waits for somebody else's burst.

    Args:
        take: takes the messages of one question, the oldest first, of which the last one asks. The question has its
            ticket on return, and is answered when the result was awaited.
        ready: waits until a channel's questions may be taken.
        pause: waits.
    """

    def __init__(
        self,
        take: Take,
        ready: Callable[[int], Awaitable[None]],
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._take = take
        self._ready = ready
        self._pause = pause
        self._bursts: list[_Burst] = []  # until they are answered
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, message: discord.Message) -> None:
        """Take a message in, or its edited form; one that replies begins a new question."""
        if (burst := self._with(message.id)) is not None:
            burst.messages[message.id] = message
            return
        burst = self._open(message.channel.id, message.author.id)
        # A connection that is resumed brings at once what was written far apart.
        if burst is None or not _goes_on(list(burst.messages.values()), message, QUIET_SECONDS + _TYPING_SECONDS):
            if burst is not None:
                burst.is_open = False
            burst = _Burst(message.channel.id, message.author.id)
            self._bursts.append(burst)
        burst.messages[message.id] = message
        burst.may_extend = True
        self._wait(burst, QUIET_SECONDS)

    def holds(self, message_id: int) -> bool:
        """Whether a message belongs to a question that is gathering or being answered."""
        return self._with(message_id) is not None

    def gathering(self) -> list[discord.Message]:
        """The messages that were not asked yet."""
        return [message for burst in self._bursts if not burst.is_asked for message in burst.messages.values()]

    def note_typing(self, channel_id: int, author_id: int) -> None:
        """Wait a little longer for somebody who goes on to write."""
        burst = self._open(channel_id, author_id)
        if burst is not None and burst.may_extend:
            burst.may_extend = False
            self._wait(burst, _TYPING_SECONDS)

    def asks_no_more(self, message_id: int) -> None:
        """Leave out a message that an edit made no question, unless it was asked already."""
        burst = self._with(message_id)
        if burst is not None and not burst.is_asked:
            del burst.messages[message_id]

    def deleted(self, message_ids: Collection[int]) -> None:
        """Leave messages out. If one of them asked, its answer is taken back, and what is left is asked again."""
        for burst in tuple(self._bursts):
            if gone := burst.messages.keys() & set(message_ids):
                self._leave_out(burst, gone)

    def _leave_out(self, burst: _Burst, message_ids: Collection[int]) -> None:
        asked = burst.is_asked and max(burst.messages) in message_ids
        for message_id in message_ids:
            del burst.messages[message_id]
        if asked and burst.messages:
            rest = _Burst(burst.channel_id, burst.author_id, burst.messages, is_open=False, is_asked=True)
            burst.messages = {}
            self._bursts.append(rest)
            self._begin(self._answer(rest, self._take(list(rest.messages.values()))))

    def close(self) -> None:
        """Take nothing more. Recovery finds what was gathering."""
        for task in self._tasks:
            task.cancel()

    def _open(self, channel_id: int, author_id: int) -> _Burst | None:
        of_author = (each for each in self._bursts if (each.channel_id, each.author_id) == (channel_id, author_id))
        return next((burst for burst in of_author if burst.is_open and burst.messages), None)

    def _with(self, message_id: int) -> _Burst | None:
        return next((burst for burst in self._bursts if message_id in burst.messages), None)

    def _wait(self, burst: _Burst, seconds: float) -> None:
        """Wait anew."""
        if burst.waiting is not None:
            burst.waiting.cancel()
        burst.waiting = self._begin(self._take_after(burst, seconds))

    async def _take_after(self, burst: _Burst, seconds: float) -> None:
        await self._pause(seconds)
        burst.is_open = False
        await self._ready(burst.channel_id)
        if not burst.messages:
            self._bursts.remove(burst)
            return
        burst.is_asked = True
        await self._answer(burst, self._take(list(burst.messages.values())))

    async def _answer(self, burst: _Burst, answering: Coroutine[Any, Any, None]) -> None:
        try:
            await answering
        finally:
            self._bursts.remove(burst)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def in_bursts(messages: Sequence[discord.Message]) -> list[list[discord.Message]]:
    """Group the messages of one channel as they would have gathered; the questions in the order of their ends."""
    bursts: list[list[discord.Message]] = []
    latest: dict[int, list[discord.Message]] = {}  # by author
    for message in messages:
        burst = latest.get(message.author.id)
        if burst is not None and _goes_on(burst, message, QUIET_SECONDS):
            burst.append(message)
        else:
            burst = latest[message.author.id] = [message]
            bursts.append(burst)
    return sorted(bursts, key=lambda burst: burst[-1].id)


def _goes_on(earlier: Sequence[discord.Message], message: discord.Message, most_seconds: float) -> bool:
    """Whether a message goes on with the question of its author's earlier ones. A reply begins one of its own."""
    seconds = (message.created_at - earlier[-1].created_at).total_seconds()
    return len(earlier) < _MOST_MESSAGES and not is_reply(message) and seconds <= most_seconds
