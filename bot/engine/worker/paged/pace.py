"""Chooses how many prompt tokens a step computes, from the duration of earlier steps."""

from __future__ import annotations

from collections import deque
from statistics import median

_REMEMBERED_STEPS = 7
_FIRST_GUESS = 64
_MARGIN = 0.7
"""Share of the limit to aim for: durations scatter, and the longest should still keep the limit."""
_LEAST_WHILE_STREAMING = 0.5
_LEAST_ALONE = 8.0
"""Lower bounds for the time a step spends on prompts, as a multiple of a step without prompts. On a slow machine they
win over the limit: a prompt gets a real share while answers stream, and nearly all the time while none does."""
_CLOCK_SECONDS = 1e-6
"""Shortest step: on a coarse clock a step may start and end at the same time."""


class Pace:
    """Keeps steps short while answers stream, and long enough to be efficient while none does.

    A step costs a base, as without prompts, plus a price for each prompt token. Both change with the machine's load and
    the context's length, so only the latest steps count. Their median does, because a single step can take very long:
    the first one builds kernels.

    Args:
        longest_pause_seconds: limit for a step while answers stream.
        longest_step_seconds: limit for a step while none does.
        fewest: lower bound of prompt tokens in a step, so that a prompt progresses on any machine.
        most: upper bound of prompt tokens in a step.
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
        """Number of prompt tokens for the next step."""
        if not self._seconds_per_token:
            return _FIRST_GUESS
        limit = self._longest_pause_seconds if others_stream else self._longest_step_seconds
        least = self._base * (_LEAST_WHILE_STREAMING if others_stream else _LEAST_ALONE)
        room = max(limit * _MARGIN - self._base, least)
        return int(min(max(room / median(self._seconds_per_token), self._fewest), self._most))

    @property
    def seconds_per_token(self) -> float:
        """The time that a prompt token takes; 0 before the first."""
        return median(self._seconds_per_token) if self._seconds_per_token else 0.0

    def learn(self, seconds: float, prompt_tokens: int) -> None:
        """Record the duration of a step with this many prompt tokens."""
        if prompt_tokens == 0:
            self._step_seconds.append(seconds)
        else:
            self._seconds_per_token.append(max(seconds - self._base, seconds / 10, _CLOCK_SECONDS) / prompt_tokens)

    @property
    def _base(self) -> float:
        return median(self._step_seconds) if self._step_seconds else 0.0
