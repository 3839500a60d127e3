"""Times each token of one generation, in the engine that the bot runs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bot.engine.interface import Engine, FinishReason, GenerationRequest

TIME_LIMIT_SECONDS = 900.0
"""The longest that a timed request may take in the engine."""


class MeasureError(Exception):
    """A measurement has no result. The message is one line that says why."""


@dataclass(frozen=True, slots=True)
class TimedGeneration:
    """The tokens of one request and when they arrived. Times are in seconds of one clock.

    Attributes:
        submitted: when the request was handed over.
        arrivals: when tokens arrived in the event loop, and how many.
        ids: the tokens.
    """

    submitted: float
    arrivals: tuple[tuple[float, int], ...]
    ids: tuple[int, ...]

    @property
    def first_token_seconds(self) -> float:
        """From the request to its first token."""
        return self.arrivals[0][0] - self.submitted

    @property
    def ended(self) -> float:
        """When the last token arrived."""
        return self.arrivals[-1][0]

    @property
    def decode_tokens_per_second(self) -> float:
        """The rate of the tokens after those that arrived first.

        Raises:
            MeasureError: all tokens arrived at once.
        """
        first, first_count = self.arrivals[0]
        if self.ended <= first:
            raise MeasureError("the answer arrived in one piece, which has no rate")
        return (len(self.ids) - first_count) / (self.ended - first)


async def generate(engine: Engine, prompt_ids: tuple[int, ...], new_tokens: int) -> TimedGeneration:
    """Generate exactly this many tokens, greedily; no token ends the answer early.

    Raises:
        MeasureError: the engine ended the answer otherwise.
    """
    arrivals: list[tuple[float, int]] = []
    ids: list[int] = []
    submitted = time.perf_counter()
    generation = engine.submit(
        GenerationRequest(prompt_ids, frozenset(), new_tokens, time_limit_seconds=TIME_LIMIT_SECONDS)
    )
    async for new_ids in generation:
        arrivals.append((time.perf_counter(), len(new_ids)))
        ids.extend(new_ids)
    outcome = generation.outcome
    if outcome is None or outcome.reason is not FinishReason.LENGTH or len(ids) != new_tokens:
        ending = f"{outcome.reason}: {outcome.detail}".rstrip(": ") if outcome else "no outcome"
        raise MeasureError(f"{len(ids)} of {new_tokens} tokens came for {len(prompt_ids)} prompt tokens ({ending})")
    return TimedGeneration(submitted, tuple(arrivals), tuple(ids))
