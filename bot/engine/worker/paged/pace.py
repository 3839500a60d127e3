"""How many prompt tokens fit into a step, learned from how long steps took."""

from __future__ import annotations

from collections import deque
from statistics import median

_REMEMBERED_STEPS = 7
_FIRST_GUESS = 64
_MARGIN = 0.7
"""Steps scatter: the aim lies this far below the limit, so that the longest still keep it."""
_LEAST_IN_COMPANY = 0.5
_LEAST_ALONE = 8.0
"""What a prompt gets of a step, as a multiple of what the step costs without it, even where a slow machine passes the
limit by it: nearly all of the time while nobody streams, and not next to nothing while somebody does."""
_CLOCK_SECONDS = 1e-6
"""What a step takes at least: a coarse clock may have it begin and end at once."""


class Pace:
    """Keeps steps short while somebody waits for their next token, and long enough to be efficient while nobody does.

    A step costs about the same as a step without a prompt, plus so much for each of the prompt's tokens. Both change
    with the machine's load and the length of what has been read, so only the latest steps count; their median does,
    because a single step can take very long (the first one builds kernels).

    Args:
        longest_pause_seconds: how long a step may take while other answers stream.
        longest_step_seconds: how long it may take while none does.
        fewest: the least prompt tokens in a step, however slow the machine: a prompt must get on.
        most: the most prompt tokens in a step, however fast.
    """

    def __init__(
        self, longest_pause_seconds: float, longest_step_seconds: float, fewest: int = 4, most: int = 1024
    ) -> None:
        self._longest_pause_seconds = longest_pause_seconds
        self._longest_step_seconds = longest_step_seconds
        self._fewest = fewest
        self._most = most
        self._step_seconds: deque[float] = deque(maxlen=_REMEMBERED_STEPS)
        self._seconds_per_token: deque[float] = deque(maxlen=_REMEMBERED_STEPS)

    def prompt_tokens(self, *, others_stream: bool) -> int:
        """How many prompt tokens the next step may read."""
        if not self._seconds_per_token:
            return _FIRST_GUESS
        limit = self._longest_pause_seconds if others_stream else self._longest_step_seconds
        least = self._base * (_LEAST_IN_COMPANY if others_stream else _LEAST_ALONE)
        room = max(limit * _MARGIN - self._base, least)
        return int(min(max(room / median(self._seconds_per_token), self._fewest), self._most))

    def learn(self, seconds: float, prompt_tokens: int) -> None:
        """Take in how long a step with so many prompt tokens took."""
        if prompt_tokens == 0:
            self._step_seconds.append(seconds)
        else:
            self._seconds_per_token.append(max(seconds - self._base, seconds / 10, _CLOCK_SECONDS) / prompt_tokens)

    @property
    def _base(self) -> float:
        return median(self._step_seconds) if self._step_seconds else 0.0
