"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from disk_cache_faults.conversations import Turn


class Mistake(StrEnum):
    """What can be wrong; each text follows a count."""

    UNANSWERED = "prompts not answered"
    OTHER_TOKENS = "answers with other tokens than without any cache"
    DAMAGE_KEPT = "damaged files kept"
    CRASHED = "engines that crashed without a kill"
    LEFT_BEHIND = "engines left behind"


def judge(turn: Turn, ids: tuple[int, ...] | None) -> Mistake | None:
    """Return what is wrong with the tokens of an answer, None for a failed one, if anything is."""
    if ids is None:
        return Mistake.UNANSWERED
    return None if ids == turn.answer else Mistake.OTHER_TOKENS


def describe(turn: Turn, ids: tuple[int, ...] | None) -> str:
    """Return a line that helps to find what went wrong with an answer."""
    pairs = enumerate(zip(ids or (), turn.answer, strict=False))
    first = next((f"the first other token is number {index}" for index, (got, due) in pairs if got != due), "all equal")
    return f"a prompt of {len(turn.prompt)} tokens, {len(ids or ())} of {len(turn.answer)} tokens came, {first}"


@dataclass(slots=True)
class Report:
    """Counts of one run.

    Attributes:
        kills: by victim.
        writing: kills soon after the engine began to write.
        unfinished: kills that left a file half written.
        damages: files damaged before a start, by kind.
        answers: those compared.
        from_disk: prompt tokens that came from the disk.
        examples: one line for each of the first mistakes.
    """

    rounds_planned: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    writing: int = 0
    unfinished: int = 0
    damages: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    from_disk: int = 0
    mistakes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """The rounds that took place."""
        return self.kills.total()

    @property
    def passed(self) -> bool:
        """Whether every round took place without a mistake, and the disk cache was of use at all."""
        return self.rounds == self.rounds_planned and not self.mistakes and self.from_disk > 0

    def lines(self) -> list[str]:
        """Return the figures for the terminal."""
        return [
            f"rounds: {self.rounds} of {self.rounds_planned} in {self.seconds / 60:.1f} min",
            f"killed: {_counts(self.kills)}",
            f"of these while it wrote: {self.writing}, with a file left half written: {self.unfinished}",
            f"files damaged: {_counts(self.damages)}",
            f"answers compared: {self.answers:,}; prompt tokens from the disk: {self.from_disk:,}",
            f"mistakes: {_counts(self.mistakes)}",
            *(f"  {line}" for line in self.examples),
            "passed" if self.passed else "FAILED",
        ]


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "none"
