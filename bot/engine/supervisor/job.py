"""One accepted request, for as long as it takes: through every engine process that it may need."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from bot.engine.interface import GenerationRequest
from bot.engine.supervisor.token_stream import TokenStream

SUSPICIOUS_CRASHES = 2
"""A request that lost its engine so often in a row, without a new token in between, is run alone next time."""

MAX_CRASHES = 3
"""A request that loses its engine once more while it runs alone is given up."""


@dataclass(slots=True)
class Job:
    """A request on its way.

    Attributes:
        request: what was asked for.
        stream: where its tokens go.
        deadline: when its time is up, on the monotonic clock.
        ids: the tokens that the person has already seen.
        sent: whether an engine process has it.
        crashes: how many engine processes ended under it since its last token.
        cancelled: whether its end was asked for. The engine may be lost before it hears of it.
    """

    request: GenerationRequest
    stream: TokenStream
    deadline: float
    ids: list[int] = field(default_factory=list)
    sent: bool = False
    crashes: int = 0
    cancelled: bool = False

    @property
    def suspicious(self) -> bool:
        """Whether it may be what ends the engine."""
        return self.crashes >= SUSPICIOUS_CRASHES

    @property
    def complete(self) -> bool:
        """Whether all tokens are there, and only the word of the engine is missing."""
        return 0 < self.request.max_new_tokens <= len(self.ids)

    def take(self, ids: tuple[int, ...]) -> None:
        """Pass new tokens on."""
        self.ids.extend(ids)
        self.crashes = 0
        self.stream.push(ids)

    def remaining(self) -> GenerationRequest:
        """What is still to be done: the prompt goes on with what the person has seen, so nothing is said twice."""
        return replace(
            self.request,
            prompt_ids=self.request.prompt_ids + tuple(self.ids),
            max_new_tokens=self.request.max_new_tokens - len(self.ids),
            time_limit_seconds=max(self.deadline - time.monotonic(), 0.0),
        )
