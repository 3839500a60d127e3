"""Who drafts for an answer, and how often drafts are tried that do not pay."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.engine.worker.paged.disk_cache.load import Load
from bot.engine.worker.paged.drafts.budget import StepPlan
from bot.engine.worker.paged.drafts.drafting import Drafting
from bot.engine.worker.paged.longest_match import common_length
from bot.engine.worker.paged.schedule import RunningRequest
from bot.engine.worker.paged.step_cost import StepCost, StepWork
from tests.engine.conftest import request

PLAN = StepPlan(StepWork.of_rows(1, 10), prompt_seconds=0.0, most_seconds=10.0)


class Source:
    """Drafts the same tokens always, as many as are wanted of them."""

    def __init__(self, name: str, tokens: Sequence[int]) -> None:
        self.name = name
        self.tokens = tokens
        self.followed: list[tuple[int, int]] = []

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        return [self.tokens[:most] for _, most in wanted]

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        self.followed += [(sequence.request_id, count) for sequence, count in shares]


class Driver:
    """A `Drafting` on a machine on which rows cost a tenth of a step, and an answer."""

    def __init__(self, lookup: Sequence[int] = (), model: Sequence[int] | None = None, most: int = 8) -> None:
        cost = StepCost()
        for _ in range(24):
            for rows in (1, 2, 4, 8):
                cost.learn(StepWork.of_rows(rows, 10), 0.1 * (1 + 0.1 * rows))
        self.model = None if model is None else Source("model", model)
        self.lookup = Source("lookup", lookup)
        self.drafting = Drafting(self.lookup, self.model, most, cost)
        self.answer = RunningRequest.of(7, request(1, 2, 3))
        self.answer.read = 10
        self.room: list[int] = []

    def step(self, right: int | None, most: int = 100) -> Sequence[int]:
        """Draft, and find so many of the drafted tokens right; None is all."""
        drafts = self.drafting.draft([(self.answer, most)], PLAN, lambda _, count: self.room.append(count))
        if 7 not in drafts:
            self.drafting.learn(self.answer, None, [-1])
            return ()
        tokens = drafts[7].tokens
        self.drafting.learn(self.answer, drafts[7], [*tokens[:right], -1])
        return tokens


def test_right_drafts_become_longer_and_wrong_ones_cease_but_are_tried_again() -> None:
    driver = Driver(lookup=range(8))
    assert len([driver.step(None) for _ in range(12)][-1]) == 8
    lengths = [len(driver.step(0)) for _ in range(300)]
    assert sum(lengths[70:100]) <= 1
    assert 3 <= sum(lengths[100:]) <= 8
    assert driver.drafting.drafted > driver.drafting.accepted > 0


def test_long_finds_are_trusted_for_what_they_are() -> None:
    driver = Driver()
    for _ in range(80):
        driver.lookup.tokens = (1, 2, 3, 4)
        after_a_short_match = len(driver.step(0))
        driver.lookup.tokens = range(8)
        after_a_long_match = len(driver.step(None))
    assert (after_a_short_match, after_a_long_match) == (0, 8)


@pytest.mark.parametrize(("right", "winner"), [(("lookup", None), "lookup"), (("model", None), "model")])
def test_the_source_that_is_right_more_often_drafts(right: tuple[str, None], winner: str) -> None:
    driver = Driver(lookup=(1,) * 8, model=(2,) * 8)
    drafted: Sequence[int] = ()
    for _ in range(60):
        token = {"lookup": 1, "model": 2}[right[0]]
        drafts = driver.drafting.draft([(driver.answer, 100)], PLAN, lambda *_: None)
        driver.drafting.learn(driver.answer, drafts.get(7), [token] * 9)
        if draft := drafts.get(7):
            drafted = draft.tokens
    assert drafted[0] == {"lookup": 1, "model": 2}[winner]


def test_prompt_lookup_drafts_as_soon_as_an_answer_begins_to_quote() -> None:
    driver = Driver(lookup=(1,) * 8, model=(1, 2, 2, 2, 2, 2, 2, 2))
    for quotes, steps in ((False, 300), (True, 10)):
        for _ in range(steps):
            draft = driver.drafting.draft([(driver.answer, 100)], PLAN, lambda *_: None)[7]
            chosen = [1] * 9 if quotes else [1] + [2] * 8
            driver.drafting.learn(driver.answer, draft, chosen[: 1 + common_length(draft.tokens, chosen)])
    assert draft.tokens == (1,) * 8


def test_an_answer_that_begins_to_quote_is_noticed_without_a_draft() -> None:
    driver = Driver(lookup=(1,) * 8)
    for _ in range(300):
        driver.step(0)
    for _ in range(10):
        drafts = driver.drafting.draft([(driver.answer, 100)], PLAN, lambda *_: None)
        driver.drafting.learn(driver.answer, drafts.get(7), [1] * (1 + (len(drafts[7].tokens) if drafts else 0)))
    assert drafts


def test_a_draft_model_that_has_none_makes_way_for_prompt_lookup() -> None:
    driver = Driver(lookup=(1,) * 8, model=(1, 2, 2, 2, 2, 2, 2, 2))
    assert driver.model is not None
    for _ in range(100):
        draft = driver.drafting.draft([(driver.answer, 100)], PLAN, lambda *_: None)[7]
        driver.drafting.learn(driver.answer, draft, [1] + [2] * 8)
    driver.model.tokens = ()  # the answer is longer than its context now
    lengths = []
    for _ in range(30):
        drafts = driver.drafting.draft([(driver.answer, 100)], PLAN, lambda *_: None)
        lengths.append(len(drafts[7].tokens) if drafts else 0)
        driver.drafting.learn(driver.answer, drafts.get(7), [1, 1, 2] if drafts else [1])
    assert min(lengths[-10:]) > 0


def test_an_answer_gets_no_more_than_it_may_take_and_room_for_it() -> None:
    driver = Driver(lookup=range(8), most=3)
    assert driver.step(None, most=0) == ()
    assert driver.room == []
    for most in (1, 2, 3, 100):
        assert len(driver.step(None, most=most)) <= min(most, 3)
    assert max(driver.room) == 3
    assert Driver(lookup=range(8), most=0).step(None) == ()


def test_without_anything_to_draft_an_answer_goes_on_alone() -> None:
    driver = Driver(lookup=())
    assert [driver.step(None) for _ in range(50)] == [()] * 50
    assert driver.room == []
    driver = Driver(lookup=(), model=())
    assert [driver.step(None) for _ in range(50)] == [()] * 50


def test_the_draft_model_reads_what_is_left_of_an_ended_answer() -> None:
    driver = Driver(model=range(8))
    assert driver.model is not None
    driver.step(0)
    driver.drafting.end(driver.answer)
    driver.drafting.end(driver.answer)
    assert driver.model.followed == [(7, 0)]


def test_the_draft_model_reads_nothing_into_blocks_that_are_being_loaded() -> None:
    driver = Driver(model=range(8))
    assert driver.model is not None
    driver.step(0)
    driver.answer.load = Load([], [1, 2, 3], 0, lambda _: None)  # the answer became longer than LongRoPE's context
    driver.drafting.end(driver.answer)
    assert driver.model.followed == []
