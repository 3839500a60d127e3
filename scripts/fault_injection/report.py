"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarking.statistics import percentile

from fault_injection.footprint import Footprint


@dataclass(slots=True)
class Report:
    """What happened in a run.

    Attributes:
        rounds_planned: how many rounds there should have been.
        seconds: how long it took.
        faults: how many signals were sent, by name.
        restarts: how often the engine said that it was lost, by cause.
        wrong_causes: rounds in which it named another cause than what was done to it.
        recovery_seconds: from the first fault of a round to the next token of anybody, by the round's name.
        stuck: why the run ended before its last round; empty if it did not.
        requests: how many were accepted.
        ends: how they ended, by reason.
        tokens: how many they got in all.
        mistakes: what was wrong with them.
        examples: a line about each of the first wrong ones.
        before: what this process held before the engine was started.
        after: what it held when the engine was closed.
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
        """How many rounds ended with new tokens."""
        return sum(len(seconds) for seconds in self.recovery_seconds.values())

    @property
    def passed(self) -> bool:
        """Whether the engine always came back, nobody's answer suffered, and nothing was left behind."""
        whole = self.rounds == self.rounds_planned
        return whole and not self.mistakes and not self.wrong_causes and not self.after.has_grown_since(self.before)

    def lines(self) -> list[str]:
        """The figures for people."""
        right = self.requests - self.mistakes.total()
        return [
            f"rounds: {self.rounds} of {self.rounds_planned} in {self.seconds / 60:.1f} min {self.stuck}".rstrip(),
            f"faults: {_counts(self.faults)}",
            f"restarts: {_counts(self.restarts)}; told with a wrong cause: {self.wrong_causes}",
            f"requests: {self.requests:,} accepted ({_counts(self.ends)}), {self.tokens:,} tokens",
            f"answered exactly once and as if nothing had happened: {right:,}; mistakes: {_counts(self.mistakes)}",
            *(f"  {example}" for example in self.examples),
            "seconds from the fault to the next token:",
            *(_recovery(name, seconds) for name, seconds in sorted(self.recovery_seconds.items())),
            f"the bot's process before: {self.before}",
            f"the bot's process after: {self.after}",
            "passed" if self.passed else "FAILED",
        ]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"


def _recovery(name: str, seconds: Sequence[float]) -> str:
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    return f"  {name:12} {len(seconds):3} times: p50 {p50:.2f}, p95 {p95:.2f}, max {max(seconds):.2f}"
