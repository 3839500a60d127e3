"""The figures of a crowd: pure functions of what was recorded about each question."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarking.statistics import percentile
from bot.export.timed_generation import MeasureError

_SAME_MOMENT_SECONDS = 0.001


@dataclass(slots=True)
class CrowdTurn:
    """A question and its answer; times are in seconds of one clock.

    Attributes:
        number: its position in its conversation, from 1.
        waited_seconds: in the queue.
        first_token_seconds: from the question to the first token; None without an answer.
        tokens: the answer's length.
        times_answered: how often the database holds it with an answer in the end.
        prompt_tokens: 0 if the engine did not report it.
    """

    person: str
    conversation: str
    number: int
    text: str = ""
    asked_at: float = 0.0
    waited_seconds: float = 0.0
    first_token_seconds: float | None = None
    ended_at: float = 0.0
    tokens: int = 0
    times_answered: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0

    @property
    def began_at(self) -> float:
        """When it left the queue."""
        return self.asked_at + self.waited_seconds


def crowd_figures(turns: Sequence[CrowdTurn], many_asker: str) -> dict[str, Any]:
    """Return the figures of a crowd.

    Args:
        many_asker: the member who asked many at once; the percentiles leave those questions out.

    Raises:
        MeasureError: no question got an answer.
    """
    ordinary = [turn for turn in turns if turn.person != many_asker]
    lasted = max(turn.ended_at for turn in turns) - min(turn.asked_at for turn in turns)
    waits = [turn.waited_seconds for turn in ordinary]
    return {
        "questions": len(turns),
        "answered_once": sum(turn.times_answered == 1 for turn in turns),
        "answered_once_share": sum(turn.times_answered == 1 for turn in turns) / len(turns),
        "first_token": _spread(ordinary),
        "first_turns": _spread(turn for turn in ordinary if turn.number == 1),
        "later_turns": _spread(turn for turn in ordinary if turn.number > 1),
        "waited": {"p50_seconds": percentile(waits, 0.5), "p95_seconds": percentile(waits, 0.95)},
        "tokens_per_second": sum(turn.tokens for turn in turns) / lasted,
        "running_on_average": sum(turn.ended_at - turn.began_at for turn in turns) / lasted,
        "many_at_once": _many_at_once(ordinary, [turn for turn in turns if turn.person == many_asker]),
        "begun_out_of_turn": begun_out_of_turn(turns),
    }


def hit_rates(turns: Sequence[CrowdTurn]) -> dict[str, float]:
    """Return the share of prompt tokens that came from the prefix cache.

    Returns:
        `all`: of all questions. `later_turns`: of those after the first of their conversation. `known`: the same, but
        as a share of what the cache could hold, the prompt and the answer of the turn before.
    """
    later = [turn for turn in turns if turn.number > 1]
    known = {(turn.conversation, turn.number + 1): turn.prompt_tokens + turn.tokens for turn in turns}
    cached_later = sum(turn.cached_tokens for turn in later)
    return {
        "all": sum(turn.cached_tokens for turn in turns) / sum(turn.prompt_tokens for turn in turns),
        "later_turns": cached_later / sum(turn.prompt_tokens for turn in later),
        "known": cached_later / sum(known[turn.conversation, turn.number] for turn in later),
    }


def begun_out_of_turn(turns: Sequence[CrowdTurn]) -> int:
    """Count how often a member's second question started while another member's waited all that time.

    A member waits from asking, or from the last start if more questions are waiting, until the next start. In a fair
    queue every other member starts at most once meanwhile.
    """
    begins: dict[str, list[float]] = {}
    for turn in sorted(turns, key=lambda turn: turn.began_at):
        begins.setdefault(turn.person, []).append(turn.began_at)
    count = 0
    for person, theirs in begins.items():
        asked = sorted(turn.asked_at for turn in turns if turn.person == person)
        for since, began in zip(map(max, asked, [0.0, *theirs]), theirs, strict=True):
            first, last = since + _SAME_MOMENT_SECONDS, began - _SAME_MOMENT_SECONDS
            others = (times for other, times in begins.items() if other != person)
            count += sum(sum(first < time < last for time in times) > 1 for times in others)
    return count


def _spread(turns: Iterable[CrowdTurn]) -> dict[str, float]:
    seconds = _first_tokens(turns)
    shares = {"p50_seconds": 0.5, "p90_seconds": 0.9, "p99_seconds": 0.99, "worst_seconds": 1.0}
    return {name: percentile(seconds, share) for name, share in shares.items()}


def _many_at_once(ordinary: Sequence[CrowdTurn], many: Sequence[CrowdTurn]) -> dict[str, float]:
    """Compare the first tokens of the many questions with those of the questions that ran at the same time."""
    seconds = _first_tokens(many)
    begin = min(turn.asked_at for turn in many)
    end = begin + max(seconds)
    beside = [
        turn
        for turn in ordinary
        if turn.first_token_seconds is not None
        and turn.asked_at <= end
        and turn.asked_at + turn.first_token_seconds >= begin
    ]
    return {
        "questions": len(many),
        "first_seconds": min(seconds),
        "last_seconds": max(seconds),
        "others": len(beside),
        "others_median_seconds": median(_first_tokens(beside)),
    }


def _first_tokens(turns: Iterable[CrowdTurn]) -> list[float]:
    seconds = [turn.first_token_seconds for turn in turns if turn.first_token_seconds is not None]
    if not seconds:
        raise MeasureError("no question of the crowd was answered")
    return seconds
