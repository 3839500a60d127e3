"""LongRoPE: sequences on both sides of the original context, and engines that stay within it."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import pytest
from tiny_models.phi3 import write_tiny_phi3

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.backends.paged import PagedBackend
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import Driver, options
from tests.inference_precision import EXACT
from tests.shared_folder import shared_folder

CONTEXT, ORIGINAL = 1024, 128

_words = random.Random(0)
TEXT = tuple(_words.choices(range(3, 32000), k=300))
SHORT = tuple(_words.choices(range(3, 32000), k=50))


@pytest.fixture(scope="module")
def long_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def write(folder: Path) -> None:
        write_tiny_phi3(folder, context=CONTEXT, original_context=ORIGINAL)

    return shared_folder(tmp_path_factory, "tiny-long-phi3", write)


@pytest.fixture
def driver(long_model: Path) -> Driver:
    return Driver(lambda emit: PagedBackend(options(long_model), emit, 100))


def next_token(long_model: Path, *prompt: int) -> int:
    """The token after a prompt that nothing is cached of."""
    return Driver(lambda emit: PagedBackend(options(long_model), emit, 100)).answer(*prompt, limit=1)[0]


def test_an_answer_that_grows_past_the_original_context_goes_on_as_its_text_does(
    driver: Driver, long_model: Path
) -> None:
    prompt = TEXT[: ORIGINAL - 5]
    answer = driver.answer(*prompt, limit=10)
    for length in range(10):
        assert answer[length] == next_token(long_model, *prompt, *answer[:length])


def test_others_do_not_change_while_one_is_read_anew(driver: Driver, long_model: Path) -> None:
    alone = {
        prompt: Driver(lambda emit: PagedBackend(options(long_model), emit, 100)).answer(*prompt)
        for prompt in (SHORT, TEXT, TEXT[: ORIGINAL - 5])
    }
    running = {driver.add(request(*prompt)): prompt for prompt in alone}
    driver.run()
    assert {prompt: driver.ids(request_id) for request_id, prompt in running.items()} == alone


def test_a_prefix_is_found_by_sequences_with_the_same_factors_only(driver: Driver) -> None:
    within = TEXT[:100]
    assert [_cached(driver, prompt) for prompt in (within, within, TEXT, within, TEXT)] == [0, 99, 0, 99, 299]


def test_the_next_turn_finds_what_was_read_anew(driver: Driver) -> None:
    prompt = TEXT[: ORIGINAL - 5]
    answer = driver.answer(*prompt, limit=10)
    assert _cached(driver, (*prompt, *answer, *SHORT)) == len(prompt) + 9


def _cached(driver: Driver, prompt: tuple[int, ...]) -> int | None:
    request_id = driver.add(request(*prompt, limit=1))
    driver.run()
    return driver.cached(request_id)


async def facts_of(model_dir: Path, engine: str, max_context_tokens: int | None = None) -> EngineFacts:
    supervisor = EngineSupervisor(
        EngineOptions(
            engine, model_dir, properties=EXACT, cache_gigabytes=0.1, max_context_tokens=max_context_tokens, max_batch=1
        )
    )
    try:
        return await supervisor.start()
    finally:
        await supervisor.close()


@pytest.mark.parametrize("engine", ["paged", "genai", "optimum"])
async def test_an_engine_without_factors_by_sequence_stays_within_the_original_context(
    long_model: Path, engine: str
) -> None:
    facts = await facts_of(long_model, engine)
    if engine == "paged":
        assert (facts.context_tokens, facts.context_cause) == (CONTEXT, "")
    else:
        assert facts.context_tokens == ORIGINAL
        assert "LongRoPE" in facts.context_cause


async def test_a_graph_that_chooses_in_an_unknown_way_stays_within_the_original_context(
    long_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "unknown"
    shutil.copytree(long_model, folder)
    xml = folder / "openvino_model.xml"
    text, changed = re.subn(r'(rotary_emb/aten::gt/Greater" type=)"Greater"', r'\1"GreaterEqual"', xml.read_text())
    assert changed
    xml.write_text(text)
    facts = await facts_of(folder, "paged")
    assert facts.context_tokens == ORIGINAL
    assert "LongRoPE" in facts.context_cause


async def test_the_operator_may_shorten_the_context(long_model: Path) -> None:
    facts = await facts_of(long_model, "paged", max_context_tokens=200)
    assert (facts.context_tokens, facts.context_cause) == (200, "MAX_CONTEXT_TOKENS")
