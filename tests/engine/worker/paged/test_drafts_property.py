"""Any requests, with any drafts of any length, in a small cache, get the answers that they get without drafts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.engine.interface import Erasure, FinishReason, GenerationRequest, Outcome, Source
from bot.engine.worker.paged.drafts import drafting
from bot.engine.worker.paged.drafts.budget import Prospect
from bot.engine.worker.paged.drafts.source import DraftSource
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import Driver
from tests.engine.worker.paged.drafts.draft_sources import (
    ScriptedDrafts,
    draft_model,
    load_with_drafts,
    without_prompt_lookup,
)
from tests.engine.worker.paged.drafts.same_text import SAMPLINGS, TEXT, Plain

CANCELLED = Outcome(FinishReason.CANCELLED)
BLOCKS = 9
AUTHOR = 7


@dataclass(frozen=True)
class Ask:
    """A request that begins as others do.

    Attributes:
        parts_at: from here on its prompt differs from others'.
        answered: its prompt goes on with so many tokens of another's answer.
    """

    parts_at: int
    length: int
    answered: int
    sampling: int
    limit: int
    stops_at: int
    prefill_only: bool

    def request(self, plain: Plain, message: int) -> GenerationRequest:
        prompt = (*TEXT[: self.parts_at], *TEXT[300 - self.parts_at :][: self.length])
        sampling = SAMPLINGS[self.sampling]
        if self.answered:
            answer, _ = plain.answer(request(*prompt, limit=40, sampling=sampling))
            prompt = (*prompt, *answer[: self.answered], 5)
        source = Source(0, message, AUTHOR, channel_id=1)
        if self.prefill_only:
            return request(*prompt, limit=0, prefill_only=True, sources=(source,))
        asked = request(*prompt, limit=self.limit, sampling=sampling, sources=(source,))
        ids, _ = plain.answer(asked)
        stop = frozenset(ids[self.stops_at : self.stops_at + 1])
        return request(*prompt, limit=self.limit, sampling=sampling, sources=(source,), stop=stop)


asks = st.builds(
    Ask,
    parts_at=st.sampled_from([0, 1, 20, 31, 32, 33, 50, 64]),
    length=st.integers(1, 45),
    answered=st.sampled_from([0, 0, 3, 30]),
    sampling=st.integers(0, len(SAMPLINGS) - 1),
    limit=st.integers(1, 40),
    stops_at=st.sampled_from([0, 5, 17, 40]),
    prefill_only=st.sampled_from([False, False, False, True]),
)
steps = st.integers(1, 6)
ends = st.tuples(st.just("end"), st.integers(0, 5))
erasures = st.tuples(st.just("erase"), st.integers(0, 5))


class AnyDrafts:
    """Right, wrong and half right drafts, too long or too short ones, of random tokens or of the text."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)

    def draft(self, right: Sequence[int], count: int) -> Sequence[int]:
        known = self._draw.randrange(len(right) + 1)
        begin = self._draw.randrange(len(TEXT))
        others = TEXT[begin : begin + self._draw.randrange(count + 2)]
        return [*right[:known], *others]

    def lengths(self, prospects: Sequence[Prospect], *_: object) -> list[int]:
        return [self._draw.randrange(each.most + 1) for each in prospects]


def any_actions(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    actions = st.lists(st.one_of(asks, asks, steps, steps, ends, erasures), min_size=5, max_size=25)
    settle = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    return lambda test: settle(given(seed=st.integers(0, 99), actions=actions)(test))


@any_actions(examples=12)
def test_any_drafts(tiny_model: Path, plain: Plain, seed: int, actions: Sequence[object]) -> None:
    drafts = AnyDrafts(seed)
    run(tiny_model, plain, seed, actions, drafts, ScriptedDrafts(plain.next_tokens, drafts.draft))


@any_actions(examples=8)
def test_a_draft_model_that_is_always_right(
    tiny_model: Path, plain: Plain, seed: int, actions: Sequence[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads what it needs, whatever blocks were shared, copied, evicted and erased."""
    without_prompt_lookup(monkeypatch)
    driver = run(tiny_model, plain, seed, actions, AnyDrafts(seed), draft_model(tiny_model, blocks=BLOCKS))
    assert driver.backend.state.accepted_tokens == driver.backend.state.drafted_tokens


def run(
    model_dir: Path, plain: Plain, seed: int, actions: Sequence[object], drafts: AnyDrafts, source: DraftSource
) -> Driver:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drafting, "draft_lengths", drafts.lengths)
        driver = load_with_drafts(model_dir, source, blocks=BLOCKS, max_batch=3, longest_pause_seconds=seed % 2)
        asked = act(driver, plain, actions)
        driver.run()
    for number, each in asked.items():
        check_answer(driver, plain, number, each)
    whole = request(*TEXT[100 : 100 + (BLOCKS - 1) * 32 - 20])
    assert len(driver.answer(*whole.prompt_ids)) == 20, "a block has leaked"
    return driver


def act(driver: Driver, plain: Plain, actions: Sequence[object]) -> dict[int, GenerationRequest]:
    asked: dict[int, GenerationRequest] = {}
    erasures = 0
    for action in actions:
        if isinstance(action, Ask):
            wanted = action.request(plain, message=len(asked))
            asked[driver.add(wanted)] = wanted
        elif isinstance(action, int):
            for _ in range(action):
                driver.step()
        elif asked and isinstance(action, tuple):
            kind, back = action
            number = max(len(asked) - back, 1)
            if kind == "end":
                driver.backend.end(number, FinishReason.CANCELLED)
            else:
                erasures += 1
                driver.backend.erase(Erasure(erasures, message_ids=frozenset({number - 1})))
    return asked


def check_answer(driver: Driver, plain: Plain, number: int, asked: GenerationRequest) -> None:
    ids, outcomes = driver.ids(number), driver.outcomes(number)
    if asked.prefill_only:
        assert (ids, len(outcomes)) == ([], 1)
    elif outcomes == [CANCELLED]:
        assert ids == plain.answer(asked)[0][: len(ids)]
    else:
        assert (ids, outcomes) == plain.answer(asked)
