"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarking.statistics import percentile

from fault_injection.footprint import Footprint


@dataclass(slots=True)
class Report:
    """Counts and times of one run.

    Attributes:
        faults: signals sent, by name.
        restarts: restarts that the supervisor reported, by cause.
        wrong_causes: rounds in which the reported cause was not that of the fault.
        recovery_seconds: from the first fault of a round to the next token for any client, by the round's name.
        stuck: why the run ended before its last round; empty if it did not.
        requests: accepted requests.
        ends: how they ended, by reason.
        tokens: tokens that they got in all.
        examples: one line for each of the first mistakes.
        before: before the engine started.
        after: after the engine closed.
    """

    rounds_planned: int
    before: Footprint
    after: Footprint = field(init=False)
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    wrong_causes: int = 0
    recovery_seconds: dict[str, list[float]] = field(default_factory=dict)
    stuck: str = ""
    requests: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    mistakes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """The rounds that ended with new tokens."""
        return sum(len(seconds) for seconds in self.recovery_seconds.values())

    @property
    def passed(self) -> bool:
        """Whether the engine always recovered, no answer suffered, and nothing was left behind."""
        whole = self.rounds == self.rounds_planned
        return whole and not self.mistakes and not self.wrong_causes and not self.after.has_grown_since(self.before)

    def lines(self) -> list[str]:
        """Return the figures for the terminal."""
        right = self.requests - self.mistakes.total()
        return [
            f"rounds: {self.rounds} of {self.rounds_planned} in {self.seconds / 60:.1f} min {self.stuck}".rstrip(),
            f"faults: {_counts(self.faults)}",
            f"restarts: {_counts(self.restarts)}; reported with a wrong cause: {self.wrong_causes}",
            f"requests: {self.requests:,} accepted ({_counts(self.ends)}), {self.tokens:,} tokens",
            f"answered exactly once, as without a fault: {right:,}; mistakes: {_counts(self.mistakes)}",
            *(f"  {example}" for example in self.examples),
            "seconds from a fault to the next token:",
            *(_recovery(name, seconds) for name, seconds in sorted(self.recovery_seconds.items())),
            f"this process before: {self.before}",
            f"this process after: {self.after}",
            "passed" if self.passed else "FAILED",
        ]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"


def _recovery(name: str, seconds: Sequence[float]) -> str:
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    return f"  {name:12} {len(seconds):3} times: p50 {p50:.2f}, p95 {p95:.2f}, max {max(seconds):.2f}"
