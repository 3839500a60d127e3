"""Decides how many tokens to draft for each answer: the rows of a step are a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.engine.worker.paged.step_cost import StepCost, StepWork

_LEAST_GAIN = 1.03
"""Drafting must promise this many times the tokens a second: estimates are rough, and it must not cost anything."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What drafting for an answer promises.

    Attributes:
        most: upper bound of the tokens to draft.
        acceptance: the probability that a drafted token is right, if all before it are.
        past: tokens before the answer's next one.
        pass_seconds: the time to draft a token; answers share it.
    """

    most: int
    acceptance: float
    past: int
    pass_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What the step computes besides drafts.

    Attributes:
        work: without prompts; a row for each answer.
        prompt_seconds: for prompts.
        most_seconds: upper bound of what drafts may add.
    """

    work: StepWork
    prompt_seconds: float
    most_seconds: float


def draft_lengths(prospects: Sequence[Prospect], plan: StepPlan, cost: StepCost) -> list[int]:
    """Return how many tokens to draft for each answer, so that the step yields the most tokens a second.

    The likeliest token of all answers gets the next row, as long as there is one.
    """
    lengths = [0] * len(prospects)
    best = list(lengths)
    if not cost.known:
        return best
    without = cost.seconds(plan.work)
    work, expected = plan.work, float(plan.work.rows)
    best_rate = _LEAST_GAIN * expected / (without + plan.prompt_seconds)
    while True:
        open_to_more = [index for index, each in enumerate(prospects) if lengths[index] < each.most]
        if not open_to_more:
            return best
        index = max(open_to_more, key=lambda index: prospects[index].acceptance ** (lengths[index] + 1))
        chosen = prospects[index]
        lengths[index] += 1
        expected += chosen.acceptance ** lengths[index]
        work += StepWork.of_rows(1, chosen.past)
        drafting = max(length * each.pass_seconds for length, each in zip(lengths, prospects, strict=True))
        seconds = cost.seconds(work) + drafting
        if seconds - without > plan.most_seconds:
            return best
        if expected / (seconds + plan.prompt_seconds) > best_rate:
            best_rate, best = expected / (seconds + plan.prompt_seconds), list(lengths)
