"""An engine that generates what a test has written down, for models that no test can load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime

from bot.engine.interface import EngineFacts, FinishReason, Generation, GenerationRequest, Outcome
from bot.engine.usage import NO_USAGE


class ScriptedGeneration:
    """Yields pieces of ids one after another, up to the request's limit."""

    def __init__(
        self,
        request: GenerationRequest,
        ids: Sequence[int],
        gates: Mapping[int, asyncio.Event],
        piece: int = 1,
        fails_after: int | None = None,
        unread: int | None = None,
    ) -> None:
        self.outcome: Outcome | None = None
        self.usage = NO_USAGE
        self.on_prefill: Callable[[int], None] = lambda _: None
        self._ids = ids[: request.max_new_tokens]
        self._end = FinishReason.LENGTH if len(ids) > request.max_new_tokens else FinishReason.STOP
        self._gates = gates
        self._piece = piece
        self._fails_after = fails_after
        self._unread = unread
        self._cancelled = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        if self._unread is not None:
            self.on_prefill(self._unread)
        for index in range(0, len(self._ids), self._piece):
            await asyncio.sleep(0)
            if index == self._fails_after:
                self.outcome = Outcome(FinishReason.FAILED, "as the script says")
                return
            if index in self._gates:
                waits = [asyncio.ensure_future(event.wait()) for event in (self._gates[index], self._cancelled)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
            if self._cancelled.is_set():
                break
            yield tuple(self._ids[index : index + self._piece])
        self.outcome = Outcome(FinishReason.CANCELLED if self._cancelled.is_set() else self._end)

    def cancel(self) -> None:
        self._cancelled.set()


class ScriptedEngine:
    """Answers each request with the next script, and the last one from then on.

    Attributes:
        requests: all that were made.
        generations: those of the requests.
        gates: the generation waits for an event before the piece that begins with the token of this index.
        piece: how many ids come at once.
        fails_after: how many ids the next generations yield before they fail; None never fails.
        unread: how many tokens of the next prompts it says it reads; None says nothing.
        context_tokens: what its facts say.
    """

    restarts = 0

    def __init__(self, *scripts: Sequence[int]) -> None:
        self._scripts = list(scripts)
        self.requests: list[GenerationRequest] = []
        self.generations: list[ScriptedGeneration] = []
        self.gates: dict[int, asyncio.Event] = {}
        self.context_tokens = 4096
        self.piece = 1
        self.fails_after: int | None = None
        self.unread: int | None = None

    @property
    def facts(self) -> EngineFacts:
        return EngineFacts("scripted", "CPU", "a script", 0.0, datetime.now(UTC), 1, self.context_tokens)

    def submit(self, request: GenerationRequest) -> Generation:
        self.requests.append(request)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        generation = ScriptedGeneration(request, script, self.gates, self.piece, self.fails_after, self.unread)
        self.generations.append(generation)
        return generation

    async def close(self) -> None:
        pass
