"""The figures of a round and of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarking.statistics import percentile

from bot.demo.loopback import ApiCall, CallKind
from discord_faults.plan import Fault, Load, RoundPlan

MOST_OWN_429 = 9
"""The most requests of one round that Discord may limit without a fault."""

_KINDS = (CallKind.SEND, CallKind.EDIT, CallKind.DELETE, CallKind.TYPING, CallKind.HISTORY)
_TOO_MANY = 429


@dataclass(slots=True)
class RoundResult:
    """What came of a round.

    Attributes:
        told: questions that were refused, and whose askers know it.
        problems: one line for each thing that went wrong; none if the round passed.
        settle_seconds: from the end of the last fault to the bot's last message or edit; None if somebody was neither
            answered nor told in time.
        calls: requests to REST by kind; those that got a 429 count under that name too.
        struck: requests whose response a fault decided.
        injected_429: 429 that a fault sent.
        own_429: 429 that Discord's limits gave.
        peak_megabytes: the most memory of the bot's process.
    """

    plan: RoundPlan
    questions: int = 0
    answered: int = 0
    told: int = 0
    problems: list[str] = field(default_factory=list)
    settle_seconds: float | None = None
    calls: Counter[CallKind] = field(default_factory=Counter)
    struck: int = 0
    injected_429: int = 0
    own_429: int = 0
    peak_megabytes: float = 0.0

    def count_calls(self, calls: Iterable[ApiCall]) -> None:
        """Count the round's requests."""
        for call in calls:
            self.calls[call.kind] += 1
            self.struck += call.is_injected
            if call.status == _TOO_MANY:
                self.injected_429 += call.is_injected
                self.own_429 += not call.is_injected

    def line(self) -> str:
        """Return the round in one line."""
        settled = "not settled" if self.settle_seconds is None else f"settled after {self.settle_seconds:5.1f} s"
        verdict = f"FAILED: {len(self.problems)} problems" if self.problems else "passed"
        counts = f"{self.answered} answered, {self.told} told"
        return f"seed {self.plan.seed:4}: {verdict}; {counts}, {settled}; {self.plan.name}"


@dataclass(slots=True)
class Report:
    """The figures of a run.

    Attributes:
        repeat: the command that repeats a seed alone; the seed follows it.
        left_out: faults that this machine cannot have, with the reason.
    """

    rounds_planned: int
    repeat: str
    left_out: str = ""
    seconds: float = 0.0
    results: list[RoundResult] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every round took place and nothing went wrong."""
        return len(self.results) == self.rounds_planned and not any(each.problems for each in self.results)

    def lines(self) -> list[str]:
        """Return the figures for the terminal."""
        results = sorted(self.results, key=lambda each: each.plan.seed)
        questions, answered, told = (sum(getattr(each, name) for each in results) for name in _COUNTS)
        own = [each.own_429 for each in results]
        return [
            f"rounds: {len(results)} of {self.rounds_planned} in {self.seconds / 60:.1f} min {self.left_out}".rstrip(),
            f"questions: {questions:,}; answered {answered:,}, told why not {told:,}, neither "
            f"{questions - answered - told:,}",
            f"requests that faults struck: {sum(each.struck for each in results):,}",
            f"429: {sum(each.injected_429 for each in results):,} by faults, {sum(own):,} by Discord's limits, "
            f"{max(own, default=0)} at most in a round",
            f"memory of the bot's process: {max((each.peak_megabytes for each in results), default=0):.0f} MB at most",
            "requests for each answer:",
            *_request_table(results),
            "seconds from the last fault's end until everybody was answered or told:",
            *_settle_table(results),
            *(line for each in results if each.problems for line in self._failure(each)),
            "passed" if self.passed else "FAILED",
        ]

    def _failure(self, result: RoundResult) -> list[str]:
        plan = result.plan
        return [
            f"seed {plan.seed} FAILED ({plan.name}); alone: {self.repeat} {plan.seed}",
            *(f"  {problem}" for problem in result.problems),
        ]


_COUNTS = ("questions", "answered", "told")


def _request_table(results: Sequence[RoundResult]) -> list[str]:
    names = [str(kind) for kind in _KINDS]
    lines = ["  " + "".join(f"{name:>10}" for name in [*names, "429", "answers"])]
    for load in Load:
        here = [each for each in results if each.plan.load is load]
        answers = sum(each.answered for each in here)
        if answers:
            counts = [sum(each.calls[kind] for each in here) for kind in _KINDS]
            counts.append(sum(each.injected_429 + each.own_429 for each in here))
            cells = [f"{count / answers:10.2f}" for count in counts]
            lines.append(f"  {''.join(cells)}{answers:10,}  {load}")
    return lines


def _settle_table(results: Sequence[RoundResult]) -> list[str]:
    lines = []
    for fault in Fault:
        struck = [each for each in results if any(strike.fault is fault for strike in each.plan.strikes)]
        seconds = [each.settle_seconds for each in struck if each.settle_seconds is not None]
        if seconds:
            p50, p95 = percentile(seconds, 0.5), percentile(seconds, 0.95)
            lines.append(f"  {fault:22} {len(struck):4} times: p50 {p50:5.1f}, p95 {p95:5.1f}, max {max(seconds):5.1f}")
    return lines
