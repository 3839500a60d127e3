"""An engine that reads every prompt from its first token on."""

from __future__ import annotations

import random
from typing import Self

from bot.engine.interface import EngineOptions, GenerationRequest
from bot.engine.observer import BatchState
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.admission import ModelLimits

_FIRST_ID = 3
_SEED = 7


class UncachedEngine:
    """Answers one request after another, with nothing of its prompt cached. Use it as a context manager.

    Args:
        options: without a disk cache.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._engine = EngineSupervisor(options, self)
        self._vocabulary = ModelLimits.read(options.model_dir).vocabulary
        self._draw = random.Random(_SEED)  # noqa: S311 - nothing secret
        self._cached = 0

    async def __aenter__(self) -> Self:
        """Load the engine.

        Raises:
            ConfigurationError: it does not load.
        """
        await self._engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the engine."""
        await self._engine.close()

    async def answer(self, request: GenerationRequest) -> tuple[int, ...]:
        """Return the tokens of an answer."""
        facts = self._engine.facts
        assert facts is not None  # it is loaded
        for _ in range(2):  # together these take the place of everything that is cached
            await self._generate(GenerationRequest(self.random_ids(facts.cache_tokens * 2 // 3), frozenset(), 1))
        ids = await self._generate(request)
        assert not self._cached, f"{self._cached} tokens were cached"
        return ids

    def random_ids(self, length: int) -> tuple[int, ...]:
        """Return random tokens of the model."""
        return tuple(self._draw.choices(range(_FIRST_ID, self._vocabulary), k=length))

    async def _generate(self, request: GenerationRequest) -> tuple[int, ...]:
        return tuple([token async for piece in self._engine.submit(request) for token in piece])

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:  # noqa: ARG002 - it has no disk cache
        """Keep how much of the latest prompt was cached."""
        self._cached = cached

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it; nothing is cached then."""
