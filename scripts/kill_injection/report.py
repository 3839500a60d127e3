"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarking.statistics import percentile
from separate_bot.verdict import Mistake


@dataclass(slots=True)
class Report:
    """Counts and times of one run.

    Attributes:
        kills: by phase.
        deleted: questions that were deleted, and therefore are not judged.
        missed: questions that came while the bot was offline.
        unfinished: answers that were streaming, or showed a queue position, when the bot was killed.
        resumed: those of them that were finished in the same message.
        catch_up_seconds: from each start to the end of the last answer that was due then.
        compared: answers whose tokens were compared with those of an engine without any cache.
        process_errors: one line each.
        examples: one line for each of the first mistakes.
    """

    rounds_planned: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    questions: int = 0
    edited: int = 0
    deleted: int = 0
    missed: int = 0
    unfinished: int = 0
    resumed: int = 0
    catch_up_seconds: list[float] = field(default_factory=list)
    compared: int = 0
    process_errors: list[str] = field(default_factory=list)
    mistakes: Counter[Mistake] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """The rounds that took place."""
        return self.kills.total()

    @property
    def passed(self) -> bool:
        """Whether every round took place without a mistake or a process error."""
        return self.rounds == self.rounds_planned and not self.mistakes and not self.process_errors

    def lines(self) -> list[str]:
        """Return the figures for the terminal."""
        return [
            f"rounds: {self.rounds} of {self.rounds_planned} in {self.seconds / 60:.1f} min",
            f"killed: {_counts(self.kills)}",
            f"questions: {self.questions}; edited: {self.edited}, deleted: {self.deleted}, "
            f"asked while the bot was offline: {self.missed}",
            f"unfinished answers at a kill: {self.unfinished}, finished in the same message: {self.resumed}",
            f"answers compared with those without any cache: {self.compared}",
            f"seconds from a start to the last answer due: {_distribution(self.catch_up_seconds)}",
            f"mistakes: {_counts(self.mistakes)}",
            *(f"  {line}" for line in [*self.process_errors, *self.examples]),
            "passed" if self.passed else "FAILED",
        ]


def _counts(counts: Counter[str] | Counter[Mistake]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"


def _distribution(seconds: Sequence[float]) -> str:
    if not seconds:
        return "not measured"
    p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
    return f"{len(seconds)} times, p50 {p50:.1f}, p95 {p95:.1f}, max {max(seconds):.1f}"
