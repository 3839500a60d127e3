"""Answers are the same with drafts as without, whatever is drafted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models.phi3 import write_tiny_phi3

from bot.engine.interface import FinishReason, Outcome
from bot.engine.protocol import Ended
from bot.engine.worker.precision import KEY_SCALES_PROPERTY, OWN_SCALES
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import options
from tests.engine.worker.paged.drafts.draft_sources import (
    Distort,
    ScriptedDrafts,
    draft_model,
    load_with_drafts,
    take_every_draft,
    without_prompt_lookup,
)
from tests.engine.worker.paged.drafts.same_text import (
    PROMPTS,
    SAMPLINGS,
    STOP,
    TEXT,
    Plain,
    all_requests,
    check,
    half_right,
    wrong,
)
from tests.shared_folder import shared_folder

FEWER_ROWS = 32040


@pytest.fixture(scope="module")
def tiny_draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another size, with fewer rows."""

    def write(folder: Path) -> None:
        write_tiny_phi3(folder, layers=1, hidden=32, heads=2, head_size=16, vocabulary=FEWER_ROWS)

    return shared_folder(tmp_path_factory, "tiny-draft-phi3", write)


@pytest.fixture(autouse=True)
def every_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    take_every_draft(monkeypatch)


@pytest.mark.parametrize(
    ("distort", "share"),
    [
        pytest.param(lambda right, count: right[:count], (1, 1), id="right"),
        pytest.param(lambda right, count: wrong(right[:count]), (0, 0), id="wrong"),
        pytest.param(half_right, (0.3, 0.6), id="half right"),
        pytest.param(lambda right, _: [*wrong(right[:1]), *right[1:]], (0, 0), id="right after a wrong one"),
        pytest.param(lambda right, _: [*right, *TEXT[:70]], (0.8, 1), id="more than asked for"),
        pytest.param(lambda right, _: [*right[:1], STOP, *right[1:]], (0.1, 0.5), id="a stop token that is not chosen"),
        pytest.param(lambda *_: [], (0, 0), id="nothing"),
    ],
)
def test_scripted_drafts(
    tiny_model: Path,
    plain: Plain,
    distort: Distort,
    share: tuple[float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_prompt_lookup(monkeypatch)
    driver = load_with_drafts(tiny_model, ScriptedDrafts(plain.next_tokens, distort))
    check(driver, plain, all_requests(plain))
    state = driver.backend.state
    assert share[0] <= state.accepted_tokens / max(state.drafted_tokens, 1) <= share[1]
    usages = [event.usage for event in driver.events if isinstance(event, Ended)]
    assert sum(usage.drafted_tokens or 0 for usage in usages) == state.drafted_tokens
    assert sum(usage.accepted_tokens or 0 for usage in usages) == state.accepted_tokens


def test_prompt_lookup(tiny_model: Path, plain: Plain) -> None:
    driver = load_with_drafts(tiny_model)
    check(driver, plain, all_requests(plain))
    assert driver.backend.state.accepted_tokens > 50


@pytest.mark.parametrize("looks_up", [True, False], ids=["beside prompt lookup", "alone"])
def test_a_draft_model_that_is_always_right(
    tiny_model: Path, plain: Plain, looks_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not looks_up:
        without_prompt_lookup(monkeypatch)
    driver = load_with_drafts(tiny_model, draft_model(tiny_model))
    check(driver, plain, all_requests(plain))
    state = driver.backend.state
    assert state.accepted_tokens > 300
    assert looks_up or state.accepted_tokens == state.drafted_tokens


def test_a_draft_model_with_choices_of_its_own(tiny_model: Path, tiny_draft: Path, plain: Plain) -> None:
    driver = load_with_drafts(tiny_model, draft_model(tiny_draft, FEWER_ROWS))
    check(driver, plain, all_requests(plain))
    state = driver.backend.state
    assert state.accepted_tokens < state.drafted_tokens / 2


def test_prompts_in_pieces_beside_drafts(tiny_model: Path, plain: Plain) -> None:
    driver = load_with_drafts(
        tiny_model, ScriptedDrafts(plain.next_tokens, half_right), longest_pause_seconds=0, max_batch=4
    )
    asked = [request(token, *TEXT, limit=20 + token, sampling=sampling) for token, sampling in enumerate(SAMPLINGS)]
    plain.learn(asked)
    check(driver, plain, asked)


def test_a_cancelled_neighbour_changes_nothing(tiny_model: Path, plain: Plain) -> None:
    driver = load_with_drafts(tiny_model, ScriptedDrafts(plain.next_tokens, half_right))
    asked = [request(*PROMPTS[index % 5], limit=30, sampling=sampling) for index, sampling in enumerate(SAMPLINGS)]
    plain.learn(asked)
    ids = [driver.add(each) for each in asked]
    while len(driver.ids(ids[1])) < 9:
        driver.step()
    driver.backend.end(ids[1], FinishReason.CANCELLED)
    driver.run()
    assert driver.outcomes(ids[1]) == [Outcome(FinishReason.CANCELLED)]
    assert driver.ids(ids[1]) == plain.answer(asked[1])[0][: len(driver.ids(ids[1]))]
    for number, each in zip(ids[:1] + ids[2:], asked[:1] + asked[2:], strict=True):
        assert driver.ids(number) == plain.answer(each)[0]
    check(driver, plain, asked)


@pytest.mark.parametrize("resumed", [1, 6, 24])
def test_a_resumed_answer_goes_on_as_it_would_have(tiny_model: Path, plain: Plain, resumed: int) -> None:
    asked = [request(*PROMPTS[2], limit=25, sampling=sampling) for sampling in SAMPLINGS]
    plain.learn(asked)
    driver = load_with_drafts(tiny_model)
    for each in asked:
        whole, _ = plain.answer(each)
        rest = replace(
            each,
            prompt_ids=(*each.prompt_ids, *whole[:resumed]),
            max_new_tokens=25 - resumed,
            resumed_tokens=resumed,
        )
        number = driver.add(rest)
        driver.run()
        assert driver.ids(number) == whole[resumed:]


def test_the_next_turn_finds_what_drafts_left(tiny_model: Path, plain: Plain) -> None:
    """Also in the middle of a block, and of an answer that goes on."""
    driver = load_with_drafts(tiny_model, ScriptedDrafts(plain.next_tokens, half_right))
    conversation = TEXT[:20]
    for turn, sampling in enumerate(SAMPLINGS):
        asked = request(*conversation, *TEXT[40 * turn : 40 * turn + 11], limit=23, sampling=sampling)
        number = driver.add(asked)
        driver.run()
        assert driver.ids(number) == plain.answer(asked)[0]
        assert driver.cached(number) == (len(conversation) - 1 if turn else 0)
        check(driver, plain, [request(*conversation[: -7 - turn], 5, limit=20)])
        conversation = (*asked.prompt_ids, *driver.ids(number))


def test_drafts_need_no_more_blocks_than_their_answers(tiny_model: Path, plain: Plain) -> None:
    """Four answers that together reserve the whole cache, and end with their last blocks."""
    driver = load_with_drafts(tiny_model, ScriptedDrafts(plain.next_tokens, half_right), blocks=9)
    asked = [request(token, *TEXT[:43], limit=20, sampling=SAMPLINGS[2]) for token in range(4)]
    plain.learn(asked)
    check(driver, plain, asked)


def test_with_a_compressed_cache(tiny_model: Path) -> None:
    """As the engine has it by default."""
    compressed = {"KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: OWN_SCALES}
    plain = Plain(tiny_model, **compressed)
    driver = load_with_drafts(
        tiny_model,
        ScriptedDrafts(plain.next_tokens, half_right),
        properties={**options(tiny_model).properties, **compressed},
    )
    check(driver, plain, all_requests(plain))
