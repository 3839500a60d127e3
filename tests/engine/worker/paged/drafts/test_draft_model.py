"""A model that drafts for itself is always right, whatever its cache went through."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import openvino
import pytest
from tiny_models.phi3 import write_tiny_phi3

from bot.engine.interface import GenerationRequest, Sampling
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from tests.engine.conftest import request
from tests.engine.worker.paged.drafts.steps import Steps
from tests.shared_folder import shared_folder

_words = random.Random(2)
TEXT = tuple(_words.choices(range(3, 32000), k=400))
OTHER = tuple(_words.choices(range(3, 32000), k=400))
FEWER_ROWS = 32040
SAMPLED = Sampling(temperature=0.9, top_p=0.95, top_k=500, repetition_penalty=1.3, seed=7)
REPETITIVE = Sampling(repetition_penalty=0.5)


@pytest.fixture(scope="module")
def draft_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another size and with fewer rows, whose choices are others."""

    def write(folder: Path) -> None:
        write_tiny_phi3(folder, layers=1, hidden=32, heads=2, head_size=16, vocabulary=FEWER_ROWS)

    return shared_folder(tmp_path_factory, "tiny-draft-phi3", write)


@pytest.fixture(scope="module")
def own(tiny_model: Path) -> Steps:
    """A model that drafts for itself."""
    return Steps(tiny_model, tiny_model)


def all_right(steps: Steps, asked: GenerationRequest, most: int = 4) -> list[int]:
    drafted, accepted = steps.drafted, steps.accepted
    answer = steps.answer(asked, most)
    assert steps.drafted > drafted
    assert steps.accepted - accepted == steps.drafted - drafted
    return answer


@pytest.mark.parametrize("sampling", [Sampling(), SAMPLED, REPETITIVE], ids=["greedy", "sampled", "repetitive"])
def test_its_drafts_are_what_the_model_chooses(own: Steps, sampling: Sampling) -> None:
    answers = [all_right(own, request(*TEXT[:90], limit=70, sampling=sampling), most) for most in (1, 3, 8)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] == own.answer(request(*TEXT[:90], limit=70, sampling=sampling), 0)


def test_answers_that_want_different_numbers_are_drafted_together(own: Steps) -> None:
    wanted = {0: 3, 40: 1, 80: 8, 120: 5}
    running = {begin: own.begin(request(*TEXT[begin:], *OTHER[:begin], limit=60)) for begin in wanted}
    for each in running.values():
        own.read(each)
    accepted = own.accepted
    drafts = own.step(*((running[begin], most) for begin, most in wanted.items()))
    assert [len(draft) for draft in drafts] == list(wanted.values())
    assert own.accepted - accepted == sum(wanted.values())
    for each in running.values():
        own.end(each)


def test_a_draft_ends_before_a_stop_token(own: Steps) -> None:
    asked = request(*TEXT[:70], limit=20)
    answer = own.answer(asked)
    stop = next(index for index in range(3, 20) if answer[index] not in answer[:index])
    sequence = own.begin(replace(asked, stop_ids=frozenset({answer[stop]})))
    own.read(sequence)
    [draft] = own.step((sequence, 20))
    assert list(draft) == answer[1:stop]
    own.end(sequence)


def test_a_prefix_in_memory_holds_the_draft_models_keys_too(own: Steps) -> None:
    first = request(*OTHER[:100], limit=50)
    answer = all_right(own, first)
    for beginning in (149, 128, 127, 115, 96, 60):
        prompt = (*OTHER[:100], *answer)[:beginning]
        all_right(own, request(*prompt, *TEXT[: 200 - beginning], limit=20))


@pytest.mark.parametrize("undrafted", [1, 20, 32, 70])
def test_the_next_turn_finds_what_was_answered_without_drafts(own: Steps, undrafted: int) -> None:
    prompt = (undrafted, *TEXT[200:260])
    sequence = own.begin(request(*prompt, limit=200))
    own.read(sequence)
    own.step((sequence, 3))
    for _ in range(undrafted):
        own.step((sequence, 0))
    own.end(sequence)
    all_right(own, request(*sequence.tokens[:-1], *OTHER[:20], limit=20))


@pytest.mark.parametrize("found", [1, 5, 8])
def test_it_catches_up_with_what_others_drafted(own: Steps, found: int) -> None:
    prompt = (found, *TEXT[300:350])
    answer = own.answer(request(*prompt, limit=60))
    sequence = own.begin(request(*prompt, limit=60))
    own.read(sequence)
    while sequence.new_tokens < 50:
        own.take(sequence, answer[sequence.new_tokens :][:found])
        assert sequence.drafter_read >= sequence.read - found - BLOCK_TOKENS
    assert own.step((sequence, 5)) == [answer[sequence.new_tokens - 6 :][:5]]
    own.end(sequence)
    all_right(own, request(*sequence.tokens[:-1], *OTHER[:20], limit=20))


def test_a_wrong_draft_leaves_nothing_behind(tiny_model: Path, draft_model: Path) -> None:
    steps = Steps(tiny_model, draft_model)
    sequence = steps.begin(request(*TEXT[:60], limit=200))
    steps.read(sequence)
    for most in (8, 0, 5, 0, 0, 3, 8, 1) * 5:
        steps.step((sequence, most))
    assert steps.accepted < steps.drafted
    tokens = list(sequence.tokens)
    [draft] = steps.step((sequence, 8))
    assert draft == Steps(draft_model, draft_model).answer(request(*tokens, limit=8), 0)


def test_nothing_is_drafted_or_read_beyond_its_context(tiny_model: Path) -> None:
    steps = Steps(tiny_model, tiny_model, context=100)
    undrafted = steps.answer(request(*TEXT[:80], limit=60), 0)
    sequence = steps.begin(request(*TEXT[:80], limit=60))
    steps.read(sequence)
    while sequence.new_tokens < 60:
        room = max(100 - len(sequence.tokens), 0)
        [draft] = steps.step((sequence, 4))
        assert len(draft) == min(4, room)
        assert sequence.drafter_read <= 100
    assert steps.accepted == steps.drafted > 0
    assert sequence.tokens[80:140] == undrafted
    steps.end(sequence)
    longer = steps.begin(request(*OTHER[:150], limit=60))
    steps.read(longer)
    assert longer.drafter_read == 100
    assert steps.step((longer, 4)) == [[]]


def test_ids_that_only_the_model_has_do_no_harm(tiny_model: Path, draft_model: Path) -> None:
    steps = Steps(tiny_model, draft_model)
    prompt = (*TEXT[:40], FEWER_ROWS, FEWER_ROWS + 1)
    asked = request(*prompt, limit=30, sampling=SAMPLED, resumed_tokens=2)
    assert steps.answer(asked) == steps.answer(asked, 0)
    assert steps.drafted


def test_ids_that_only_the_draft_model_has_are_not_drafted(own: Steps) -> None:
    sequence = own.begin(request(*TEXT[:40], limit=30))
    own.read(sequence)
    own.cache.extend(sequence, 9)
    [draft] = DraftModel(own.model, Path(), "draft", 4096, 32064, vocabulary=100).draft([(sequence, 8)])
    assert len(draft) == 8
    assert max(draft) < 100
    own.end(sequence)


def test_a_draft_model_that_overflows_drafts_nothing(tiny_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    token = 1000
    embedding = next(
        each.get_data()
        for each in openvino.Core().read_model(broken / "openvino_model.xml").get_ops()
        if each.get_type_name() == "Constant" and list(each.get_output_shape(0))[:1] == [32064]
    )
    weights = broken / "openvino_model.bin"
    content, row = weights.read_bytes(), embedding[token].tobytes()
    assert content.count(row) == 1
    weights.write_bytes(content.replace(row, b"\xff" * len(row)))
    steps = Steps(tiny_model, broken)
    for sampling in (Sampling(), SAMPLED):
        asked = request(*TEXT[:40], token, *TEXT[40:50], limit=10, sampling=sampling)
        assert steps.answer(asked) == steps.answer(asked, 0)
    assert steps.drafted == 0


def test_a_long_sequence_has_its_long_factors(tmp_path_factory: pytest.TempPathFactory) -> None:
    def write(folder: Path) -> None:
        write_tiny_phi3(folder, context=1024, original_context=128)

    model = shared_folder(tmp_path_factory, "tiny-long-phi3", write)
    steps = Steps(model, model)
    for begin in (0, 200):
        all_right(steps, request(*TEXT[begin : begin + 90], limit=30))
        all_right(steps, request(*TEXT[begin : begin + 200], limit=30))


def test_blocks_from_disk_hold_the_draft_models_keys_too(tiny_model: Path, tmp_path: Path) -> None:
    asked = request(*TEXT[:100], limit=50)
    steps = Steps(tiny_model, tiny_model)
    disk = steps.open_disk_cache(tmp_path)
    answer = all_right(steps, asked)
    assert steps.answer(request(*OTHER[:40], limit=40), 0)
    disk.flush(30)
    disk.close()
    steps = Steps(tiny_model, tiny_model)
    steps.open_disk_cache(tmp_path)
    for prompt in ((*asked.prompt_ids, *answer), OTHER[:60], TEXT[:110]):
        sequence = steps.begin(request(*prompt, *OTHER[100:120], limit=20))
        assert sequence.read > 32
        steps.end(sequence)
        all_right(steps, sequence.request)


@pytest.mark.parametrize("found", [3, 5, 8])
def test_a_block_goes_to_disk_when_the_draft_model_has_read_all_of_it(
    tiny_model: Path, tmp_path: Path, found: int
) -> None:
    """What others drafted and the model accepted, the draft model reads one step later."""
    prompt = TEXT[:57]
    steps = Steps(tiny_model, tiny_model)
    answer = steps.answer(request(*prompt, limit=60), 0)
    steps = Steps(tiny_model, tiny_model)
    disk = steps.open_disk_cache(tmp_path)
    sequence = steps.begin(request(*prompt, limit=60))
    steps.read(sequence)
    while sequence.new_tokens < 50:
        steps.take(sequence, answer[sequence.new_tokens :][:found])
        disk.flush(30)
    steps.end(sequence)
    disk.flush(30)
    disk.close()
    steps = Steps(tiny_model, tiny_model)
    steps.open_disk_cache(tmp_path)
    all_right(steps, request(*sequence.tokens[:96], *OTHER[:20], limit=20))
