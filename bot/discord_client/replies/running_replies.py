"""Finds running answers by their questions, so that they can be stopped, suspended or awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from bot.answering.answer import Answer


@dataclass(frozen=True, slots=True)
class RunningReply:
    """A running answer and its asker.

    Attributes:
        ended: set once it is delivered.
    """

    answer: Answer
    asker_id: int
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class RunningReplies:
    """All running answers, by the id of the message that asked."""

    def __init__(self) -> None:
        self._by_question: dict[int, RunningReply] = {}
        self._none_left = asyncio.Event()
        self._none_left.set()
        self._deliveries = 0  # others than running answers

    def get(self, question_id: int) -> RunningReply | None:
        """The answer to this message; None if none is running."""
        return self._by_question.get(question_id)

    def all(self) -> list[RunningReply]:
        """All running answers."""
        return list(self._by_question.values())

    async def wait_until_ended(self, question_id: int) -> None:
        """Wait until an answer that is generated is delivered; return at once if one is still being generated."""
        reply = self._by_question.get(question_id)
        if reply is not None and reply.answer.outcome is not None:
            await reply.ended.wait()

    @contextmanager
    def running(self, question_id: int, reply: RunningReply) -> Iterator[None]:
        """Hold an answer for as long as the block runs."""
        self._by_question[question_id] = reply
        self._none_left.clear()
        try:
            yield
        finally:
            del self._by_question[question_id]
            reply.ended.set()
            self._note_end()

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Count the block as a delivery that is awaited before the bot ends."""
        self._deliveries += 1
        self._none_left.clear()
        try:
            yield
        finally:
            self._deliveries -= 1
            self._note_end()

    async def suspend_all(self, time_limit_seconds: float) -> None:
        """Suspend every answer; wait, up to a limit, until each reply says so."""
        for reply in self._by_question.values():
            reply.answer.suspend()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait_until_delivered(), time_limit_seconds)

    async def wait_until_delivered(self) -> None:
        """Wait until no answer is running, and nothing else is being delivered."""
        await self._none_left.wait()

    def _note_end(self) -> None:
        if not self._by_question and not self._deliveries:
            self._none_left.set()
