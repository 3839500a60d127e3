"""The arithmetic behind the figures: pure functions of numbers and token ids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Self

FEWEST_ROUNDS = 3
"""With fewer there is no verdict: two rounds of pure chance agree with each other too often."""


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed (nearest rank).

    Args:
        values: at least one, in any order.
        share: above 0, to 1.

    Raises:
        ValueError: there are no values, or the share is out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no {share} percentile of {len(values)} values")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def pauses_meanwhile(arrivals: Sequence[float], begin: float, end: float) -> list[float]:
    """Return the pauses between arrivals that lie at least partly between two moments, in seconds.

    Args:
        arrivals: when tokens arrived, in order. Those that arrived together are one arrival.
        begin: a pause that began earlier counts from its own beginning.
        end: a pause that is still open counts until then.
    """
    before = max((each for each in arrivals if each <= begin), default=begin)
    points = [before, *_distinct(each for each in arrivals if begin < each < end), end]
    return [later - earlier for earlier, later in pairwise(points)]


def longest_pause(arrivals: Sequence[float], begin: float, end: float) -> float:
    """Return the longest of the pauses that `pauses_meanwhile` finds, in seconds."""
    return max(pauses_meanwhile(arrivals, begin, end))


def pauses(arrivals: Sequence[float], begin: float, end: float) -> list[float]:
    """Return the pauses between arrivals that end after `begin` and no later than `end`, in seconds.

    Tokens that arrived together are one arrival.
    """
    return [later - earlier for earlier, later in pairwise(_distinct(arrivals)) if begin < later <= end]


def gain(ours: float, theirs: float, *, lower_is_better: bool) -> float | None:
    """Return how many times better ours is than theirs; below 1 it is worse. None instead of a division by 0."""
    numerator, denominator = (theirs, ours) if lower_is_better else (ours, theirs)
    return numerator / denominator if denominator else None


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over several rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of at least one value."""
        return cls(median(values), min(values), max(values))


class Verdict(StrEnum):
    """What the rounds' ratios show."""

    AHEAD = "ahead"
    BEHIND = "behind"
    WITHIN = "within the spread"


def verdict(ratios: Sequence[float]) -> Verdict | None:
    """Return what ratios claim, of which 1 means alike and more is better; None for too few of them.

    A claim needs all of them on the same side of 1, and the nearest to 1 more than half as far from it, in proportion,
    as the median: the lead exceeds twice the spread towards 1. Chance alone claims something in one of nine cases with
    three rounds, and in one of thirty with four.

    Args:
        ratios: above 0, one for each round.
    """
    if len(ratios) < FEWEST_ROUNDS:
        return None
    spread = Spread.of(ratios)
    half_of_lead = math.log(spread.median) / 2
    if half_of_lead > 0 and math.log(spread.least) > half_of_lead:
        return Verdict.AHEAD
    if half_of_lead < 0 and math.log(spread.most) < half_of_lead:
        return Verdict.BEHIND
    return Verdict.WITHIN


def equal_share(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> float:
    """Return the share of positions at which answers to the same questions have the same token; a missing one differs.

    Raises:
        ValueError: the numbers of answers differ, or no answer has a token.
    """
    pairs = list(zip(ours, theirs, strict=True))
    positions = sum(max(len(one), len(other)) for one, other in pairs)
    if not positions:
        raise ValueError("there are no tokens to compare")
    return sum(a == b for one, other in pairs for a, b in zip(one, other, strict=False)) / positions


def identical(ours: Sequence[Sequence[int]], theirs: Sequence[Sequence[int]]) -> int:
    """Return how many answers are equal from the first token to the last."""
    return sum(tuple(one) == tuple(other) for one, other in zip(ours, theirs, strict=True))


def _distinct(arrivals: Iterable[float]) -> list[float]:
    return list(dict.fromkeys(arrivals))
