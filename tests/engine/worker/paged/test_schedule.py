"""How a step is shared out between prompts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.paged.schedule import RunningRequest, StepLimits, share_out
from bot.engine.worker.paged.step_cost import StepCost, StepWork
from tests.engine.conftest import request

NOW = 1000.0


def known_cost() -> StepCost:
    """A machine whose steps take 0.1 s, and 0.01 s for each prompt token."""
    cost = StepCost()
    for _ in range(9):
        for past in (0, 1000, 3000):
            cost.learn(StepWork.of_piece(100, past), 1.1)
            cost.learn(StepWork.of_piece(20, past), 0.3)
        cost.learn(StepWork.of_rows(1, 50), 0.1)
    return cost


COST = known_cost()
PER_TOKEN = COST.piece_seconds(100, 0) / 100


def prompt(unread: int, read: int = 0, waited: float = 0.0) -> RunningRequest:
    """A request in the middle of its prompt."""
    sequence = RunningRequest.of(0, request(*range(read + unread)))
    sequence.read = read
    sequence.arrived = NOW - waited
    return sequence


def shares_of(
    prompts: Sequence[RunningRequest], pause: float, alone: float = 100.0, *, answers_stream: bool = True
) -> list[int]:
    """Each prompt's share for limits in tokens; 0 for one that does not take part."""
    limits = StepLimits(pause * PER_TOKEN, alone * PER_TOKEN)
    shares = share_out(prompts, limits, COST, NOW, answers_stream=answers_stream)
    assert all(count > 0 for _, count in shares)
    by_prompt = {id(each): count for each, count in shares}
    assert len(by_prompt) == len(shares)
    return [by_prompt.get(id(each), 0) for each in prompts]


@given(
    st.lists(st.builds(prompt, st.integers(1, 3000), st.integers(0, 50), st.floats(0, 600)), max_size=20),
    st.integers(0, 2000),
    st.booleans(),
)
def test_the_limit_holds_but_a_prompt_always_progresses(
    prompts: list[RunningRequest], pause: int, streams: bool
) -> None:
    shares = shares_of(prompts, pause, 2000, answers_stream=streams)
    assert all(share <= each.unread for share, each in zip(shares, prompts, strict=True))
    assert sum(shares) <= 1024
    if prompts:
        assert sum(shares) > 0
    if streams:
        assert sum(shares) <= max(pause * 1.05, 4)


@pytest.mark.parametrize(
    ("unread", "pause", "expected"),
    [
        ([100], 64, [64]),
        ([100, 30], 64, [34, 30]),
        ([1000, 10, 100], 90, [0, 10, 80]),
        ([10, 10], 90, [10, 10]),
        ([500], 0, [4]),
    ],
)
def test_the_prompt_that_is_read_soonest_comes_first(unread: list[int], pause: int, expected: list[int]) -> None:
    assert shares_of([prompt(each) for each in unread], pause) == pytest.approx(expected, abs=2)


def test_a_long_prompt_waits_for_shorter_ones_no_longer_than_reading_it_takes() -> None:
    seconds = COST.piece_seconds(1000, 0)
    for waited, first in ((0.5 * seconds, 0), (1.5 * seconds, 50)):
        share, other = shares_of([prompt(1000, waited=waited), prompt(40)], 50)
        assert (share, other) == pytest.approx((first or 10, 40 if not first else 0), abs=2)


def test_a_prompt_alone_is_read_in_long_steps_and_a_small_rest_with_it() -> None:
    assert shares_of([prompt(900)], 20, 300, answers_stream=False) == pytest.approx([300], abs=2)
    assert shares_of([prompt(330)], 20, 300, answers_stream=False) == [330]
    assert shares_of([prompt(330)], 300, 20) == pytest.approx([300], abs=2)


def test_an_answer_that_can_begin_with_the_step_does_not_wait_for_other_prompts() -> None:
    assert shares_of([prompt(60), prompt(500)], 70, 300, answers_stream=False) == pytest.approx([60, 10], abs=2)
    assert shares_of([prompt(200), prompt(500)], 70, 300, answers_stream=False) == pytest.approx([200, 0], abs=2)
    assert shares_of([prompt(800), prompt(900)], 70, 300, answers_stream=False) == pytest.approx([300, 0], abs=2)


def test_the_first_step_reads_a_guess() -> None:
    prompts = [prompt(100), prompt(20)]
    shares = share_out(prompts, StepLimits(1, 1), StepCost(), NOW, answers_stream=False)
    assert [(each.unread, count) for each, count in shares] == [(100, 64)]


def test_a_running_request_knows_its_progress() -> None:
    sequence = RunningRequest.of(3, request(1, 2, 2, 3, limit=60))
    assert (sequence.request_id, sequence.unread, sequence.generates, sequence.new_tokens) == (3, 4, False, 0)
    assert sequence.seen == set()
    assert sequence.most_blocks == 2
    sequence.read = 4
    sequence.tokens.append(9)
    assert (sequence.unread, sequence.generates, sequence.new_tokens) == (1, True, 1)
    assert sequence.request.prompt_ids == (1, 2, 2, 3)
