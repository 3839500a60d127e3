"""The `paged` backend in the benchmark's own process, where its steps can be timed and its drafts replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.engine.interface import EngineOptions, FinishReason, GenerationRequest, Sampling
from bot.engine.observer import BatchState
from bot.engine.protocol import Ended, Event, Tokens
from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.paged.drafts.source import DraftSource
from bot.export.timed_generation import MeasureError

EACH_TOKEN_ONCE = Sampling(repetition_penalty=1e6)
"""Greedy without repetition: random weights soon repeat themselves, and prompt lookup would draft that."""

DRAWN = Sampling(temperature=1000.0)
"""So high a temperature that the seed alone decides: greedy tokens of random weights are so close to each other that
rounding, which depends on the rows of a step, changes one in ten.
"""

Prompt = tuple[int, ...]


class SteppedEngine:
    """A loaded model that computes a step when told to."""

    def __init__(self, options: EngineOptions, blocks: int, drafter: DraftSource | None = None) -> None:
        self._events: list[Event] = []
        self._backend = PagedBackend(options, self._events.append, blocks, drafter)
        self._answers: dict[int, list[int]] = {}
        self._running: set[int] = set()
        self._added = 0

    @property
    def state(self) -> BatchState:
        """The backend's counters."""
        return self._backend.state

    @property
    def running(self) -> set[int]:
        """The requests that have not ended."""
        return set(self._running)

    def add(self, prompt: Prompt, new_tokens: int, sampling: Sampling, answered: Sequence[int] = ()) -> int:
        """Add a request and return its id.

        Args:
            answered: the beginning of its answer, after which `new_tokens` follow.
        """
        self._added += 1
        self._answers[self._added] = []
        self._running.add(self._added)
        request = GenerationRequest(
            (*prompt, *answered), frozenset(), new_tokens, sampling=sampling, resumed_tokens=len(answered)
        )
        self._backend.add(self._added, request)
        return self._added

    def answer(self, request_id: int) -> list[int]:
        """Return the tokens of an answer so far."""
        return self._answers[request_id]

    def cancel(self, request_id: int) -> None:
        """End a request."""
        self._backend.end(request_id, FinishReason.CANCELLED)
        self._take_events()

    async def step(self) -> float:
        """Run a step and return its seconds.

        Raises:
            MeasureError: a request failed.
        """
        await asyncio.sleep(0)  # Ctrl-C gets through
        started = time.perf_counter()
        self._backend.step(lambda: None)
        seconds = time.perf_counter() - started
        self._take_events()
        return seconds

    def _take_events(self) -> None:
        for event in self._events:
            if isinstance(event, Tokens):
                self._answers[event.request_id] += event.ids
            elif isinstance(event, Ended):
                self._running.discard(event.request_id)
                if event.outcome.reason not in (FinishReason.LENGTH, FinishReason.CANCELLED):
                    raise MeasureError(f"an answer ended early ({event.outcome.reason}: {event.outcome.detail})")
        self._events.clear()


@dataclass(slots=True)
class Streaming:
    """The time in which all answers of a run streamed, and what came of it.

    Attributes:
        tokens: of all answers.
    """

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    drafted: int = 0
    accepted: int = 0

    @property
    def rate(self) -> float:
        """Tokens a second of all answers."""
        return self.tokens / self.seconds


async def stream(
    engine: SteppedEngine,
    prompts: Sequence[Prompt],
    new_tokens: int,
    sampling: Sampling,
    prepare: Callable[[Mapping[int, Prompt]], Awaitable[None]],
) -> Streaming:
    """Answer prompts together until the first answer ends, and cancel the others.

    Args:
        prepare: called before each step with the prompts by request id; its time does not count.

    Raises:
        MeasureError: the answers did not all stream at the same time.
    """
    requests = {engine.add(prompt, new_tokens, sampling): prompt for prompt in prompts}
    found = Streaming()
    while set(requests) <= engine.running:
        await prepare(requests)
        before, lengths = engine.state, [len(engine.answer(each)) for each in requests]
        seconds = await engine.step()
        if all(lengths):
            found.seconds += seconds
            found.steps += 1
            found.tokens += sum(len(engine.answer(each)) for each in requests) - sum(lengths)
            found.drafted += engine.state.drafted_tokens - before.drafted_tokens
            found.accepted += engine.state.accepted_tokens - before.accepted_tokens
    for each in engine.running:
        engine.cancel(each)
    if not found.tokens:
        raise MeasureError("the answers did not all stream at the same time")
    return found
