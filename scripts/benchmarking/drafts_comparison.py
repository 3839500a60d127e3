"""The arithmetic of runs that alternate: orders, ratios and their spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

OFF = "off"
"""The name of a run without drafts."""


def alternating(conditions: Sequence[str], rounds: int) -> list[str]:
    """Return an order of runs in which each round lies between two runs without drafts, and every other is reversed."""
    order = [OFF]
    for number in range(rounds):
        order += [*(conditions if number % 2 == 0 else reversed(conditions)), OFF]
    return order


def ratios_to_off(order: Sequence[str], rates: Sequence[float]) -> dict[str, list[float]]:
    """Return how many times as fast as without drafts the runs of each condition were, in their order.

    A run is compared with the mean of the runs without drafts before and after it.
    """
    found: dict[str, list[float]] = {}
    offs = [index for index, name in enumerate(order) if name == OFF]
    for index, name in enumerate(order):
        if name != OFF:
            before, after = max(each for each in offs if each < index), min(each for each in offs if each > index)
            found.setdefault(name, []).append(rates[index] / ((rates[before] + rates[after]) / 2))
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the median of at least one value, the least, the most, and all of them."""
    return {"median": median(values), "least": min(values), "most": max(values), "all": list(values)}


def share(part: int, whole: int) -> float | None:
    """Return a share, or None of nothing."""
    return part / whole if whole else None
