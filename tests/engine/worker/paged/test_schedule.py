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
    prompts: Sequence[RunningRequest], pause: float, alone: float = 100.0, *, answer_rows: int = 1
) -> list[int]:
    """Each prompt's share for limits in tokens; 0 for one that does not take part."""
    limits = StepLimits(pause * PER_TOKEN, alone * PER_TOKEN)
    shares = share_out(prompts, limits, COST, NOW, answer_rows=answer_rows)
    assert all(count > 0 for _, count in shares)
    by_prompt = {id(each): count for each, count in shares}
    assert len(by_prompt) == len(shares)
    return [by_prompt.get(id(each), 0) for each in prompts]


@given(
    st.lists(st.builds(prompt, st.integers(1, 3000), st.integers(0, 50), st.floats(0, 600)), max_size=20),
    st.integers(0, 2000),
    st.sampled_from([0, 1, 5, 60, 140]),
)
def test_the_limit_holds_but_a_prompt_always_progresses(prompts: list[RunningRequest], pause: int, rows: int) -> None:
    shares = shares_of(prompts, pause, 2000, answer_rows=rows)
    assert all(share <= each.unread for share, each in zip(shares, prompts, strict=True))
    assert sum(shares) <= 1024
    if prompts:
        assert sum(shares) > 0
    if rows:
        assert sum(shares) <= max(pause * 1.05, 4)


@pytest.mark.parametrize(
    ("unread", "pause", "expected"),
    [
        ([100], 50, [50]),
        ([100, 20], 50, [30, 20]),
        ([1000, 10, 100], 60, [0, 10, 50]),
        ([10, 10], 60, [10, 10]),
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


@pytest.mark.parametrize(
    ("unread", "limit", "rows", "expected"),
    [
        (900, 300, 0, 256),
        (900, 60, 0, 60),
        (256, 300, 0, 256),
        (300, 300, 0, 300),  # its last group is worth a step of its own, or part of this one
        (270, 300, 0, 256),  # its last group is not
        (900, 100, 3, 61),
        (900, 100, 70, 58),
        (900, 30, 70, 30),  # half a group would be lost
        (900, 40, 60, 40),  # more than half of the tokens would be
    ],
)
def test_a_step_takes_whole_groups_of_rows(unread: int, limit: int, rows: int, expected: int) -> None:
    assert shares_of([prompt(unread)], limit, limit, answer_rows=rows) == pytest.approx([expected], abs=2)
    pieces = [prompt(unread - 20), prompt(20)]
    assert sum(shares_of(pieces, limit, limit, answer_rows=rows or 1)) > 0


def test_a_small_rest_of_a_prompt_is_read_with_it() -> None:
    assert shares_of([prompt(60)], 20, 55, answer_rows=0) == [60]
    assert shares_of([prompt(60)], 55, 20) == pytest.approx([55], abs=2)


def test_the_sooner_half_of_the_prompts_begins_with_the_first_step() -> None:
    assert shares_of([prompt(60), prompt(500)], 70, 300, answer_rows=0) == [60, 0]
    assert shares_of([prompt(200), prompt(500)], 70, 300, answer_rows=0) == [192, 0]
    assert shares_of([prompt(800), prompt(900)], 70, 300, answer_rows=0) == [256, 0]
    assert shares_of([prompt(64)] * 1 + [prompt(64) for _ in range(7)], 70, 500, answer_rows=0) == [64] * 4 + [0] * 4


def test_the_first_step_reads_a_guess() -> None:
    prompts = [prompt(100), prompt(20)]
    shares = share_out(prompts, StepLimits(1, 1), StepCost(), NOW, answer_rows=0)
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
