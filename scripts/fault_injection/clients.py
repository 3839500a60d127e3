"""Clients that keep an engine busy, and the fate of each of their requests."""

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
_PREFILL_ONLY_SHARE = 0.1
_LATEST_CANCEL_SECONDS = 2.0


@dataclass(slots=True)
class ClientRequest:
    """A request that the engine accepted.

    Attributes:
        question: the index of its question.
        tokens: the answer's length that it asks for.
        ids: the tokens that the stream has yielded.
        ended: whether the stream has ended by itself.
        cancelled: whether the client cancelled it before its end.
        crashed_after_cancel: whether the engine process ended between the cancellation and the request's end.
    """

    question: int
    tokens: int
    prefill_only: bool
    generation: Generation
    ids: list[int] = field(default_factory=list)
    ended: bool = False
    cancelled: bool = False
    crashed_after_cancel: bool = False


class Clients:
    """Keep an engine busy.

    Args:
        draw: decides what is asked when, and what is cancelled.
        on_tokens: called whenever a client gets new tokens.

    Attributes:
        requests: all that the engine accepted, the oldest first.
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
        self.requests: list[ClientRequest] = []

    def start(self) -> None:
        """Start asking."""
        self._tasks = [asyncio.create_task(self._keep_asking()) for _ in range(CLIENTS)]

    async def stop(self, patience_seconds: float) -> None:
        """Stop asking and wait for the answers that are due. A request that takes longer stays without an end."""
        self._asking = False
        done, waiting = await asyncio.wait(self._tasks, timeout=patience_seconds)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.gather(*done)

    def note_restart(self) -> None:
        """Note that an engine process has ended, and with it every cancellation that it had received."""
        for request in self.requests:
            if request.cancelled and request.generation.outcome is None:
                request.crashed_after_cancel = True

    async def _keep_asking(self) -> None:
        while self._asking:
            await self._ask()

    async def _ask(self) -> None:
        question, tokens = self._draw.randrange(len(self._questions)), self._draw.randint(FEWEST_TOKENS, MOST_TOKENS)
        prefill_only = self._draw.random() < _PREFILL_ONLY_SHARE
        generation = self._engine.submit(self._questions[question].request(tokens, prefill_only=prefill_only))
        request = ClientRequest(question, tokens, prefill_only, generation)
        self.requests.append(request)
        if self._draw.random() < _CANCELLED_SHARE:
            delay = self._draw.uniform(0, _LATEST_CANCEL_SECONDS)
            asyncio.get_running_loop().call_later(delay, _cancel, request)
        async for ids in generation:
            request.ids.extend(ids)
            self._on_tokens()
        request.ended = True


def _cancel(request: ClientRequest) -> None:
    if request.generation.outcome is None:
        request.cancelled = True
        request.generation.cancel()
