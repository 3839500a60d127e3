"""A generation with the arrival times of its tokens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.engine.interface import Engine, FinishReason, GenerationRequest

TIME_LIMIT_SECONDS = 900.0
"""The time limit of every request."""


class MeasureError(Exception):
    """A measure has no result; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class TimedGeneration:
    """The tokens of a request. Times are in seconds of one clock.

    Attributes:
        arrivals: when tokens arrived in the bot's event loop, and how many.
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
        """The rate of the tokens after the first arrival.

        Raises:
            MeasureError: all tokens arrived at once.
        """
        first, first_count = self.arrivals[0]
        if self.ended <= first:
            raise MeasureError("the answer arrived in one piece, which has no rate")
        return (len(self.ids) - first_count) / (self.ended - first)


def decode_rate_together(runs: Sequence[TimedGeneration]) -> float:
    """Return the rate of all answers' tokens while every answer streams, in tokens a second.

    Raises:
        MeasureError: they never all streamed.
    """
    began, ended = max(run.arrivals[0][0] for run in runs), min(run.ended for run in runs)
    tokens = sum(count for run in runs for arrived, count in run.arrivals if began < arrived <= ended)
    if ended <= began:
        raise MeasureError("the answers did not all stream at the same time")
    return tokens / (ended - began)


async def generate(engine: Engine, prompt_ids: tuple[int, ...], new_tokens: int) -> TimedGeneration:
    """Generate exactly this many tokens, greedily; no token ends the answer early.

    Raises:
        MeasureError: the answer ended differently.
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
