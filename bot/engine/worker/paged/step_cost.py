"""Estimates how long a step takes, and learns from every step."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

_DECOMPRESSION_TOKENS = 35
"""Each piece of a prompt has the tokens before it decompressed first, which costs about as much as so many tokens that
attend to them.

Measured with Phi-3-mini on two cores with AVX-512 VNNI: 0.23 s for 3,000 tokens, beside 6.5 ms for each prompt token.
"""

ROW_GROUP = 64
LEAST_ROWS = 32
"""OpenVINO multiplies more than 64 rows in groups of 64, and a last, smaller group costs no less than 32 rows: with
Phi-3-mini on two cores with AVX-512 VNNI, 64 rows take 0.92 s, 65 take 1.38 s, 128 take 1.72 s.
"""

_TYPICAL = numpy.array([1.0, 0.06, 5.6e-5, 0.08, 1.5e-5])
"""The price of each part of a step, as multiples of the first; measured on the same machine.

They decide what the latest steps leave open, such as the price of a row while every step has one.
"""

_TYPICAL_WEIGHT = 0.1
"""How much the typical proportions count, beside the latest step with a weight of 1."""

_REMEMBERED_STEPS = 40
"""Steps with and without prompts, each: a long answer must not displace what is known of prompts."""
_KEPT = 0.93
"""What the step before counts: the machine's load changes."""
_LEAST_PRICE = 0.05
"""Lower bound of a price, as a share of the typical one; scatter could make it negative."""

_USUAL_SHARE = 0.95
_LEAST_ERROR = 1.15
_ROUNDING = 1e-6
"""Added before tokens are rounded down, or the time of a whole prompt would be too short for its last token."""
_SHORTEST_SECONDS = 1e-6
"""On a coarse clock a step may start and end at the same time."""


@dataclass(frozen=True, slots=True)
class StepWork:
    """What a step computes; the sum of two is the work of both in one step.

    Attributes:
        rows: tokens of answers, drafted ones included.
        rows_context: the tokens before each of the rows, in all.
        prompt_tokens: tokens of prompts.
        prompt_attention: pairs of a prompt token and one before its piece.
    """

    rows: int = 0
    rows_context: int = 0
    prompt_tokens: int = 0
    prompt_attention: int = 0

    @classmethod
    def of_rows(cls, rows: int, past: int) -> StepWork:
        """The work of an answer's next rows after so many tokens."""
        return cls(rows=rows, rows_context=rows * past)

    @classmethod
    def of_piece(cls, tokens: int, past: int) -> StepWork:
        """The work of a piece of a prompt after so many tokens."""
        return cls(prompt_tokens=tokens, prompt_attention=(tokens + _DECOMPRESSION_TOKENS) * past)

    def __add__(self, other: StepWork) -> StepWork:
        return StepWork(
            self.rows + other.rows,
            self.rows_context + other.rows_context,
            self.prompt_tokens + other.prompt_tokens,
            self.prompt_attention + other.prompt_attention,
        )


class StepCost:
    """The price of a step: a base, and a price for each part of its work.

    They are those that fit the latest steps best, by least squares of the error as a share of the duration. So a step
    that was long by accident, such as the first of a kind, which builds kernels, counts little.
    """

    def __init__(self) -> None:
        self._prices: NDArray[numpy.float64] | None = None
        self._with_prompts: deque[NDArray[numpy.float64]] = deque(maxlen=_REMEMBERED_STEPS)
        self._without: deque[NDArray[numpy.float64]] = deque(maxlen=_REMEMBERED_STEPS)
        self._errors: deque[float] = deque(maxlen=2 * _REMEMBERED_STEPS)

    @property
    def known(self) -> bool:
        """Whether there was a step to learn from."""
        return self._prices is not None

    @property
    def token_seconds(self) -> float:
        """The time that a prompt token takes; 0 before the first step."""
        return 0.0 if self._prices is None else float(self._prices[3])

    @property
    def usual_error(self) -> float:
        """How many times longer than estimated a step with prompts may well take; more than 1."""
        ordered = sorted(self._errors)
        return max(ordered[math.ceil(_USUAL_SHARE * len(ordered)) - 1] if ordered else 1.0, _LEAST_ERROR)

    def seconds(self, work: StepWork) -> float:
        """Estimate a step with this work; 0 before the first step."""
        return 0.0 if self._prices is None else float(self._prices @ _parts(work))

    def piece_seconds(self, tokens: int, past: int) -> float:
        """Estimate what a piece of a prompt adds to a step."""
        if self._prices is None:
            return 0.0
        work = StepWork.of_piece(tokens, past)
        return float(self._prices[3:] @ (work.prompt_tokens, work.prompt_attention))

    def tokens_within(self, seconds: float, past: int) -> int:
        """Return how many prompt tokens after `past` others take this much of a step, besides its base."""
        if self._prices is None:
            return 0
        token, attention = self._prices[3:]
        count = (seconds - attention * _DECOMPRESSION_TOKENS * past) / (token + attention * past)
        return max(0, int(count + _ROUNDING))

    def learn(self, work: StepWork, seconds: float) -> None:
        """Take note of a step's duration."""
        parts, seconds = _parts(work), max(seconds, _SHORTEST_SECONDS)
        if work.prompt_tokens and self._prices is not None:
            self._errors.append(seconds / float(self._prices @ parts))
        # For a step that is estimated rightly, the sum over the parts is 1.
        (self._with_prompts if work.prompt_tokens else self._without).append(parts / seconds)
        self._prices = self._fitting_prices()

    def _fitting_prices(self) -> NDArray[numpy.float64]:
        steps = (*self._with_prompts, *self._without)
        ages = (*range(len(self._with_prompts))[::-1], *range(len(self._without))[::-1])
        lines, weights = numpy.array(steps), _KEPT ** numpy.array(ages)
        typical = _TYPICAL / numpy.median(lines @ _TYPICAL)
        lines = lines * typical
        # Ridge regression around the typical prices, which are 1 here.
        products = (lines.T * weights) @ lines + _TYPICAL_WEIGHT * numpy.eye(len(typical))
        prices = numpy.linalg.solve(products, lines.T @ weights + _TYPICAL_WEIGHT)
        fitting: NDArray[numpy.float64] = typical * numpy.maximum(prices, _LEAST_PRICE)
        return fitting


def _parts(work: StepWork) -> NDArray[numpy.float64]:
    all_rows = work.rows + work.prompt_tokens
    last_group = all_rows % ROW_GROUP
    padding = max(LEAST_ROWS - last_group, 0) if all_rows > ROW_GROUP and last_group else 0
    tokens = work.prompt_tokens + padding
    return numpy.array([1, work.rows, work.rows_context, tokens, work.prompt_attention], numpy.float64)
