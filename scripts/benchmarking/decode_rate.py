"""The rate of several generations together."""

from __future__ import annotations

from collections.abc import Sequence

from bot.export.timed_generation import MeasureError, TimedGeneration


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
