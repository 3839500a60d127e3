"""How many tokens are drafted, on machines on which rows cost little or much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.worker.paged.drafts.budget import Prospect, StepPlan, draft_lengths
from bot.engine.worker.paged.step_cost import StepCost, StepWork


def machine(row: float) -> StepCost:
    """A machine on which a row costs this share of a step's base."""
    cost = StepCost()
    for _ in range(24):
        for rows in (1, 2, 4, 8, 16):
            cost.learn(StepWork.of_rows(rows, 10), 0.1 * (1 + row * rows))
    return cost


CHEAP, DEAR = machine(0.05), machine(0.6)


def plan(answers: int, prompt_seconds: float = 0.0, most_seconds: float = 10.0) -> StepPlan:
    return StepPlan(StepWork.of_rows(answers, 10), prompt_seconds, most_seconds)


def alone(acceptance: float, cost: StepCost, most: int = 8, pass_seconds: float = 0.0) -> int:
    return draft_lengths([Prospect(most, acceptance, 10, pass_seconds)], plan(1), cost)[0]


def test_the_likelier_a_draft_the_longer_it_is() -> None:
    lengths = [alone(acceptance, CHEAP) for acceptance in (0.0, 0.02, 0.3, 0.6, 0.8, 1.0)]
    assert lengths == sorted(lengths)
    assert lengths[:2] == [0, 0]
    assert lengths[2] >= 1
    assert lengths[3] >= 3
    assert lengths[-1] == 8


def test_nothing_is_drafted_where_rows_cost_more_than_they_bring() -> None:
    assert alone(0.3, DEAR) == 0
    assert alone(0.95, DEAR) > 0


def test_the_draft_models_time_counts() -> None:
    assert alone(0.6, CHEAP, pass_seconds=0.001) > alone(0.6, CHEAP, pass_seconds=0.02) > 0
    assert alone(0.6, CHEAP, pass_seconds=0.2) == 0


def test_many_answers_get_fewer_drafts_each() -> None:
    one = alone(0.7, CHEAP)
    eight = draft_lengths([Prospect(8, 0.7, 10)] * 8, plan(8), CHEAP)
    assert 0 < max(eight) < one


def test_the_likelier_answer_gets_the_rows() -> None:
    lengths = draft_lengths([Prospect(8, 0.2, 10), Prospect(8, 0.9, 10), Prospect(2, 0.9, 10)], plan(3), CHEAP)
    assert lengths[1] > lengths[2] == 2 > lengths[0]


def test_beside_prompts_drafts_take_no_more_than_their_share_of_the_pause() -> None:
    most = 0.012  # two rows of 5 ms
    assert draft_lengths([Prospect(8, 1.0, 10)], plan(1, prompt_seconds=1.0, most_seconds=most), CHEAP) == [2]
    assert draft_lengths([Prospect(8, 1.0, 10)], plan(1, prompt_seconds=1.0, most_seconds=0.001), CHEAP) == [0]


def test_before_the_first_step_nothing_goes_wrong() -> None:
    assert draft_lengths([], plan(0), StepCost()) == []
    assert draft_lengths([Prospect(8, 0.5, 10)], plan(1), StepCost()) == [0]


@given(
    st.lists(
        st.builds(Prospect, st.integers(0, 8), st.floats(0, 1), st.integers(1, 4000), st.floats(0, 0.05)), max_size=8
    ),
    st.sampled_from([CHEAP, DEAR]),
)
def test_what_is_drafted_promises_more_tokens_a_second(prospects: list[Prospect], cost: StepCost) -> None:
    work = sum((StepWork.of_rows(1, each.past) for each in prospects), StepWork())
    lengths = draft_lengths(prospects, StepPlan(work, 0.0, 10.0), cost)
    assert all(length <= each.most for length, each in zip(lengths, prospects, strict=True))
    if not any(lengths):
        return
    expected = sum(
        sum(each.acceptance**index for index in range(length + 1))
        for each, length in zip(prospects, lengths, strict=True)
    )
    passes = max(length * each.pass_seconds for each, length in zip(prospects, lengths, strict=True))
    drafted = sum((StepWork.of_rows(n, each.past) for each, n in zip(prospects, lengths, strict=True)), work)
    without = len(prospects) / cost.seconds(work)
    assert expected / (cost.seconds(drafted) + passes) > without
