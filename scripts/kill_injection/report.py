"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarking.statistics import percentile

from kill_injection.verdict import Mistake


@dataclass(slots=True)
class Report:
    """What happened in a run.

    Attributes:
        rounds_planned: how often the bot should have been killed.
        seconds: how long it took.
        kills: how often it was killed, by phase.
        mentions: how many questions were asked.
        edited: how many of them were edited.
        deleted: how many of them were deleted, and are not judged.
        missed: how many came while the bot was away.
        half_written: how many answers were half-written at a kill, or told their place in the line.
        taken_up: how many of those were brought to their ends in the same message.
        catch_up_seconds: from a start to the end of the last answer that was owed then.
        troubles: what went wrong with the processes, in a line each.
        mistakes: what was wrong with the answers and with memory.
        examples: a line about each of the first mistakes.
    """

    rounds_planned: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    mentions: int = 0
    edited: int = 0
    deleted: int = 0
    missed: int = 0
    half_written: int = 0
    taken_up: int = 0
    catch_up_seconds: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    mistakes: Counter[Mistake] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """How many rounds there were."""
        return self.kills.total()

    @property
    def passed(self) -> bool:
        """Whether nobody was forgotten, or answered twice, and nothing was left behind."""
        return self.rounds == self.rounds_planned and not self.mistakes and not self.troubles

    def lines(self) -> list[str]:
        """The figures for people."""
        return [
            f"rounds: {self.rounds} of {self.rounds_planned} in {self.seconds / 60:.1f} min",
            f"killed: {_counts(self.kills)}",
            f"questions: {self.mentions}; edited: {self.edited}, deleted: {self.deleted}, "
            f"asked while the bot was away: {self.missed}",
            f"half-written answers at a kill: {self.half_written}, ended in the same message: {self.taken_up}",
            f"seconds from the start to the last answer owed: {_distribution(self.catch_up_seconds)}",
            f"mistakes: {_counts(self.mistakes)}",
            *(f"  {line}" for line in [*self.troubles, *self.examples]),
            "passed" if self.passed else "FAILED",
        ]


def _counts(counts: Counter[str] | Counter[Mistake]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"


def _distribution(seconds: Sequence[float]) -> str:
    if not seconds:
        return "never seen"
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    return f"{len(seconds)} times, p50 {p50:.1f}, p95 {p95:.1f}, max {max(seconds):.1f}"
