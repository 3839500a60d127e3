"""The estimate of a step's duration, on simulated machines."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bot.engine.worker.paged.step_cost import StepCost, StepWork

Machine = Callable[[StepWork], float]

MACHINES = {
    # base, row, row's context, prompt token, attention; in seconds
    "two cores with VNNI": (0.145, 0.0085, 8.2e-6, 0.0113, 2.2e-6),
    "two cores without": (0.6, 0.25, 2e-5, 0.17, 1e-5),
    "a small model": (0.012, 0.0008, 1e-7, 0.0006, 2e-8),
    "a fast machine": (0.02, 0.0001, 1e-7, 0.0002, 1e-8),
}


def machine(name: str, scatter: float = 0.0) -> Machine:
    base, row, row_context, token, attention = MACHINES[name]
    chance = random.Random(name)

    def seconds(work: StepWork) -> float:
        usual = (
            base
            + row * work.rows
            + row_context * work.rows_context
            + token * work.prompt_tokens
            + attention * work.prompt_attention
        )
        return usual * (1 + scatter * chance.uniform(-1, 1))

    return seconds


def conversations(steps: int) -> list[StepWork]:
    """The steps of prompts and answers as they come."""
    chance = random.Random(1)
    works: list[StepWork] = []
    while len(works) < steps:
        length = chance.choice([60, 250, 1000, 3000])
        for past in range(0, length, 200):
            rows = chance.choice([0, 0, 1, 3])
            works.append(StepWork.of_rows(rows, 500) + StepWork.of_piece(min(200, length - past), past))
        works += [StepWork.of_rows(chance.choice([1, 1, 2, 4, 8]), length) for _ in range(20)]
    return works[:steps]


def taught(on: Machine, steps: int = 150) -> StepCost:
    cost = StepCost()
    for work in conversations(steps):
        cost.learn(work, on(work))
    return cost


def test_before_the_first_step_nothing_is_known() -> None:
    cost = StepCost()
    assert not cost.known
    assert cost.seconds(StepWork.of_rows(1, 5)) == cost.token_seconds == cost.piece_seconds(5, 0) == 0
    assert cost.tokens_within(1.0, 0) == 0
    assert cost.usual_error < 1.2


@pytest.mark.parametrize("name", MACHINES)
def test_the_estimate_comes_close_for_rows_and_for_prompts_at_any_context(name: str) -> None:
    cost, seconds = taught(machine(name, scatter=0.1)), machine(name)
    for work in (
        StepWork.of_rows(1, 300),
        StepWork.of_rows(8, 300),
        StepWork.of_rows(4, 3000),
        StepWork.of_piece(256, 0),
        StepWork.of_piece(64, 2500) + StepWork.of_rows(2, 400),
    ):
        assert cost.seconds(work) == pytest.approx(seconds(work), rel=0.3), work


@pytest.mark.parametrize("name", MACHINES)
def test_a_piece_of_the_promised_length_takes_the_time_it_was_promised_for(name: str) -> None:
    cost = taught(machine(name))
    for past in (0, 1000, 3000):
        seconds = 2 * cost.piece_seconds(8, past)
        count = cost.tokens_within(seconds, past)
        assert cost.piece_seconds(count, past) <= seconds + 1e-9 < cost.piece_seconds(count + 1, past) + 1e-6
    assert cost.tokens_within(0.0, 3000) == cost.tokens_within(-1.0, 0) == 0


@pytest.mark.parametrize("name", MACHINES)
def test_the_time_of_a_whole_prompt_is_long_enough_for_its_last_token(name: str) -> None:
    cost = taught(machine(name, scatter=0.1))
    for tokens in range(1, 1000, 7):
        for past in (0, 32, 1234):
            assert cost.tokens_within(cost.piece_seconds(tokens, past), past) == tokens


def test_a_first_step_that_builds_kernels_is_soon_forgotten() -> None:
    cost, seconds = StepCost(), machine("two cores with VNNI")
    for work in conversations(6):
        cost.learn(work, 40.0 if not cost.known else seconds(work))
    for work in conversations(6):
        cost.learn(work, seconds(work))
    work = StepWork.of_piece(200, 400)
    assert cost.seconds(work) == pytest.approx(seconds(work), rel=0.3)


def test_a_single_long_step_hardly_counts_and_a_slower_machine_soon_does() -> None:
    cost, seconds, work = taught(machine("two cores with VNNI")), machine("two cores with VNNI"), StepWork.of_rows(1, 9)
    before = cost.seconds(work)
    cost.learn(work, 100.0)
    assert cost.seconds(work) < 1.4 * before
    for _ in range(40):
        cost.learn(work, 3 * seconds(work))
    assert cost.seconds(work) == pytest.approx(3 * seconds(work), rel=0.15)


def test_the_usual_error_grows_with_the_scatter_of_steps_with_prompts() -> None:
    calm, restless = (taught(machine("two cores with VNNI", scatter)).usual_error for scatter in (0.0, 0.4))
    assert 1 < calm < 1.2 < restless < 2


def test_a_coarse_clock_does_no_harm() -> None:
    cost = StepCost()
    for _ in range(30):
        cost.learn(StepWork.of_piece(8, 0), 0.0)
        cost.learn(StepWork.of_rows(2, 8), 0.0)
    assert cost.seconds(StepWork.of_rows(1, 8)) > 0
    assert cost.tokens_within(1.0, 0) > 1000
