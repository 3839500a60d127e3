"""The arithmetic behind the figures: pure functions of numbers and token ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


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


def longest_pause(arrivals: Sequence[float], begin: float, end: float) -> float:
    """Return the longest pause between tokens that lies at least partly between two moments, in seconds.

    Args:
        arrivals: when tokens arrived, in order.
        begin: a pause that began earlier counts from its own beginning.
        end: a pause that is still open counts until then.
    """
    before = max((each for each in arrivals if each <= begin), default=begin)
    points = [before, *(each for each in arrivals if begin < each < end), end]
    return max(later - earlier for earlier, later in pairwise(points))


def pauses(arrivals: Sequence[float], begin: float, end: float) -> list[float]:
    """Return the pauses between tokens that end after `begin` and no later than `end`, in seconds."""
    return [later - earlier for earlier, later in pairwise(arrivals) if begin < later <= end]


def gain(ours: float, theirs: float, *, lower_is_better: bool) -> float | None:
    """Return how many times better ours is than theirs; below 1 it is worse. None instead of a division by 0."""
    numerator, denominator = (theirs, ours) if lower_is_better else (ours, theirs)
    return numerator / denominator if denominator else None


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
