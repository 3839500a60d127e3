"""People who ask an engine without a pause, and what became of each of their requests."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.engine.interface import Generation
from bot.engine.supervisor.supervisor import EngineSupervisor
from fault_injection.questions import FEWEST_TOKENS, MOST_TOKENS, Question

CLIENTS = 8

_CANCELLED_SHARE = 0.15
_AHEAD_SHARE = 0.1
_LATEST_CANCEL_SECONDS = 2.0


@dataclass(slots=True)
class Asked:
    """A request that the engine accepted.

    Attributes:
        question: the number of its question.
        tokens: how many tokens were asked for.
        ahead: whether it was only to be read ahead.
        generation: its stream.
        ids: what has come out of the stream.
        ended: whether the stream came to its end by itself.
        cancelled: whether the client asked for its end before it had one.
        lost_after_cancel: whether an engine process was lost between that and its end.
    """

    question: int
    tokens: int
    ahead: bool
    generation: Generation
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    lost_after_cancel: bool = False


class Clients:
    """Keeps an engine busy.

    Args:
        engine: whom they ask.
        questions: what they ask, over and over.
        draw: decides what is asked when, and what is cancelled.
        on_tokens: called whenever one of them gets new tokens.
    """

    def __init__(
        self, engine: EngineSupervisor, questions: list[Question], draw: random.Random, on_tokens: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._questions = questions
        self._draw = draw
        self._on_tokens = on_tokens
        self._asking = True
        self._tasks: list[asyncio.Task[None]] = []
        self.asked: list[Asked] = []

    def come(self) -> None:
        """Begin to ask."""
        self._tasks = [asyncio.create_task(self._ask_on()) for _ in range(CLIENTS)]

    async def leave(self, patience_seconds: float) -> None:
        """Ask nothing more, and wait for the answers that are due; what has not come by then stays without an end."""
        self._asking = False
        done, waiting = await asyncio.wait(self._tasks, timeout=patience_seconds)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.gather(*done)

    def note_loss(self) -> None:
        """An engine process is lost, and what it was told with it."""
        for asked in self.asked:
            if asked.cancelled and asked.generation.outcome is None:
                asked.lost_after_cancel = True

    async def _ask_on(self) -> None:
        while self._asking:
            await self._ask()

    async def _ask(self) -> None:
        question, tokens = self._draw.randrange(len(self._questions)), self._draw.randint(FEWEST_TOKENS, MOST_TOKENS)
        ahead = self._draw.random() < _AHEAD_SHARE
        generation = self._engine.submit(self._questions[question].request(tokens, prefill_only=ahead))
        asked = Asked(question, tokens, ahead, generation)
        self.asked.append(asked)
        if self._draw.random() < _CANCELLED_SHARE:
            delay = self._draw.uniform(0, _LATEST_CANCEL_SECONDS)
            asyncio.get_running_loop().call_later(delay, _cancel, asked)
        async for ids in generation:
            asked.ids.extend(ids)
            self._on_tokens()
        asked.ended = True


def _cancel(asked: Asked) -> None:
    if asked.generation.outcome is None:
        asked.cancelled = True
        asked.generation.cancel()
