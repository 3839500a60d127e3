"""The answers that are being given right now, so that they can be stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bot.answering.answer import Answer


@dataclass(frozen=True, slots=True)
class RunningReply:
    """One answer on its way, and who asked."""

    answer: Answer
    asker_id: int


class RunningReplies:
    """All answers on their way, by the id of the message that asked."""

    def __init__(self) -> None:
        self._by_question: dict[int, RunningReply] = {}
        self._none_left = asyncio.Event()
        self._none_left.set()

    def get(self, question_id: int) -> RunningReply | None:
        """The answer to this message while it is on its way."""
        return self._by_question.get(question_id)

    def all(self) -> list[RunningReply]:
        """All answers on their way."""
        return list(self._by_question.values())

    @contextmanager
    def running(self, question_id: int, reply: RunningReply) -> Iterator[None]:
        """Keep an answer here while it is on its way."""
        self._by_question[question_id] = reply
        self._none_left.clear()
        try:
            yield
        finally:
            del self._by_question[question_id]
            if not self._by_question:
                self._none_left.set()

    async def suspend_all(self, time_limit_seconds: float) -> None:
        """Break off every answer, to be begun anew after a restart; wait, up to a limit, until people are told."""
        for reply in self._by_question.values():
            reply.answer.suspend()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wait_until_delivered(), time_limit_seconds)

    async def wait_until_delivered(self) -> None:
        """Wait until no answer is on its way any more."""
        await self._none_left.wait()
