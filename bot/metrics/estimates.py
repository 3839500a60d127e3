"""How honest the times are that members are told: estimates beside what really happened."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

_SECONDS = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_RATIOS = (0.25, 0.5, 2 / 3, 0.8, 1, 1.25, 1.5, 2, 4)

_LEAST_SECONDS = 5.0
"""Two shorter times have no ratio: nobody acts on the difference."""


class EstimateHistograms:
    """Three histograms of one kind of time: estimated, real, and estimated divided by real.

    Args:
        name: of the metrics, such as `waiting`.
        what: begins the help texts, such as "a question's wait".
    """

    def __init__(self, registry: CollectorRegistry, name: str, what: str) -> None:
        self._estimated = Histogram(
            f"phi3_{name}_estimated_seconds", f"First estimate of {what}.", buckets=_SECONDS, registry=registry
        )
        self._real = Histogram(
            f"phi3_{name}_real_seconds",
            f"Seconds from the first estimate of {what} to its end.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._ratio = Histogram(
            f"phi3_{name}_estimate_ratio",
            f"Estimate of {what} divided by the real time, if either is 5 seconds or more.",
            buckets=_RATIOS,
            registry=registry,
        )

    def observe(self, estimated_seconds: float, seconds: float) -> None:
        """Record an estimate and the real time."""
        self._estimated.observe(estimated_seconds)
        self._real.observe(seconds)
        if max(estimated_seconds, seconds) >= _LEAST_SECONDS:
            self._ratio.observe(estimated_seconds / max(seconds, 0.001))
