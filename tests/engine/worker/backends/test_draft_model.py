"""The paged engine with a draft model: the same text, more tokens a step, one cache for both models."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.paged.drafts.loading import load_draft_model
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import Driver, Expected, options

BLOCKS = 60

_words = random.Random(3)
STORY = tuple(_words.choices(range(3, 32000), k=200))
OTHER = tuple(_words.choices(range(3, 32000), k=200))

Open = Callable[..., Driver]


@pytest.fixture(scope="module")
def own_draft(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> EngineOptions:
    """A model that drafts for itself."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(tiny_model, folder)
    write_phi3_tokenizer_files(folder)
    return replace(options(folder), draft_tokens=4, draft_model_dir=folder)


@pytest.fixture
def open_driver(own_draft: EngineOptions, tmp_path: Path) -> Iterator[Open]:
    """Load a backend with a disk cache; the one before ends first."""
    drivers: list[Driver] = []

    def end_last() -> None:
        if drivers:
            disk = drivers[-1].backend.disk_cache
            assert disk is not None
            disk.flush(30)
            disk.close()

    def open_driver(draft_tokens: int = 4) -> Driver:
        end_last()
        chosen = replace(own_draft, disk_cache_dir=tmp_path / "kv_cache")
        drafter, blocks = load_draft_model(chosen, "f32", 32064, lambda *_: BLOCKS, print)
        chosen = replace(chosen, draft_tokens=draft_tokens)
        driver = Driver(lambda emit: PagedBackend(chosen, emit, blocks, drafter))
        driver.backend.open_disk_cache("processor", "f32")
        drivers.append(driver)
        return driver

    yield open_driver
    end_last()


def acceptance(driver: Driver, *prompt: int, limit: int = 40) -> float:
    """Answer a prompt, and return which share of the drafted tokens was right."""
    before = driver.backend.state
    driver.answer(*prompt, limit=limit)
    after = driver.backend.state
    drafted = after.drafted_tokens - before.drafted_tokens
    assert drafted
    return (after.accepted_tokens - before.accepted_tokens) / drafted


def test_its_drafts_are_right_whatever_came_from_memory_or_disk(open_driver: Open, expected: Expected) -> None:
    driver = open_driver()
    assert acceptance(driver, *STORY) == 1
    assert driver.answer(*STORY, limit=40) == expected(STORY)
    turn = (*STORY, *expected(STORY), *OTHER[:30])
    assert acceptance(driver, *turn) == 1
    assert acceptance(driver, *STORY[:150], *OTHER) == 1
    driver = open_driver()
    assert acceptance(driver, *turn) == 1
    assert driver.cached(1) == len(turn) - 1
    assert driver.answer(*STORY, limit=40) == expected(STORY)


def test_it_follows_answers_that_get_no_drafts(open_driver: Open) -> None:
    driver = open_driver(draft_tokens=0)
    answer = driver.answer(*STORY, limit=100)
    assert driver.backend.state.drafted_tokens == 0
    driver = open_driver()
    turn = (*STORY, *answer, *OTHER[:30])
    assert acceptance(driver, *turn) == 1
    assert driver.cached(1) == len(turn) - 31


def test_the_cache_has_both_models(open_driver: Open, tiny_model: Path) -> None:
    driver = open_driver()
    alone = PagedBackend(options(tiny_model), print, BLOCKS)
    assert driver.backend.cache_bytes == 2 * alone.cache_bytes
    assert (driver.backend.draft_model, alone.draft_model) == ("tiny", "")


async def facts_of(chosen: EngineOptions) -> EngineFacts:
    engine = EngineSupervisor(replace(chosen, cache_gigabytes=0.05))
    try:
        return await engine.start()
    finally:
        await engine.close()


async def test_the_engine_names_its_draft_model(own_draft: EngineOptions) -> None:
    facts = await facts_of(own_draft)
    alone = await facts_of(replace(own_draft, draft_model_dir=None))
    assert (facts.draft_model, alone.draft_model) == ("tiny", "")
    assert facts.cache_tokens < alone.cache_tokens, "both caches have the wanted size together"


async def test_without_a_usable_draft_model_the_engine_serves_and_says_why(
    own_draft: EngineOptions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = EngineSupervisor(replace(own_draft, draft_model_dir=tmp_path / "none"))
    try:
        facts = await engine.start()
        generation = engine.submit(request(*STORY, limit=3))
        assert [ids async for ids in generation]
    finally:
        await engine.close()
    assert facts.draft_model == ""
    [line] = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert line.startswith("Draft model is off, answers only take longer; ")
    assert f"there is no model folder at {tmp_path / 'none'}" in line
