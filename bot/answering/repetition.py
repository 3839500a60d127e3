"""Notices an answer that repeats itself for ever, as small models do, and larger ones in long thoughts."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

LEAST_TOKENS = 512
"""Shorter is a table's rule, the 249 zeros of 1000!, a matrix of zeros, a square of stars or the same line again and
again because somebody asked for it."""

LEAST_COPIES = 4
"""Fewer is a refrain, or code that was copied."""

KEPT_COPIES = 2
LONGEST_PERIOD = 1024


class RepetitionDetector:
    """Finds out whether the end of an answer is one sequence of tokens again and again.

    Exact: a single other token, such as the number in a counted list, is no repetition. A token costs as many steps as
    it occurred before, within `LONGEST_PERIOD`.

    Attributes:
        kept: how many of the ids stay once the repeats are cut off; None while the answer does not repeat itself.
    """

    def __init__(self) -> None:
        self._length = 0
        self._places: defaultdict[int, deque[int]] = defaultdict(deque)
        # For each period, how many of the latest tokens equal the one that came a period before.
        self._equal: dict[int, int] = {}
        self.kept: int | None = None

    def add(self, ids: Sequence[int]) -> bool:
        """Take new ids; return whether the answer repeats itself. What comes after that counts no more."""
        for token in ids:
            if self.kept is None:
                self._add(token)
        return self.kept is not None

    def _add(self, token: int) -> None:
        places = self._places[token]
        while places and places[0] < self._length - LONGEST_PERIOD:
            places.popleft()
        self._equal = {period: self._equal.get(period, 0) + 1 for period in (self._length - each for each in places)}
        places.append(self._length)
        self._length += 1
        repeating = [
            period
            for period, equal in self._equal.items()
            if equal + period >= max(LEAST_TOKENS, LEAST_COPIES * period)
        ]
        if repeating:
            period = min(repeating)
            begin = self._length - self._equal[period] - period
            self.kept = begin + KEPT_COPIES * period
