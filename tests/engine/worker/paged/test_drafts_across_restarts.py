"""Answers with drafts across a crash, a restart with a disk cache, and an erasure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from bot.engine.interface import EngineOptions, Erasure, FinishReason, Outcome, Source
from bot.engine.observer import BatchState
from bot.engine.protocol import PromptTaken
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.engine.conftest import collect, kill_after, request
from tests.engine.worker.backends.conftest import Driver
from tests.engine.worker.paged.drafts.draft_sources import ScriptedDrafts, load_with_drafts, take_every_draft
from tests.engine.worker.paged.drafts.same_text import PROMPTS, SAMPLINGS, TEXT, Plain, check, half_right
from tests.inference_precision import EXACT

Open: TypeAlias = Callable[[Path], Driver]


class LatestState:
    """An observer that keeps the latest state of each engine."""

    def __init__(self) -> None:
        self.states = [BatchState()]

    def engine_stepped(self, state: BatchState) -> None:
        self.states[-1] = state

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Not recorded."""

    def engine_restarted(self, cause: str) -> None:
        self.states.append(BatchState())


async def test_answers_go_on_after_a_crash_as_they_would_have(tiny_model: Path, plain: Plain) -> None:
    observer = LatestState()
    engine = EngineSupervisor(
        EngineOptions("paged", tiny_model, properties=EXACT, cache_gigabytes=0.1, draft_tokens=8), observer
    )
    asked = [request(*PROMPTS[3], limit=150, sampling=sampling) for sampling in SAMPLINGS]
    plain.learn(asked)
    try:
        facts = await engine.start()
        kill = kill_after(20, facts.process_id)
        answers = await asyncio.gather(*(collect(engine.submit(each), kill) for each in asked))
    finally:
        await engine.close()
    for each, (ids, outcome) in zip(asked, answers, strict=True):
        assert (ids, [outcome]) == plain.answer(each)
    _killed, restarted = observer.states
    assert restarted.drafted_tokens > 0  # the killed one may not have learnt yet what a row costs


@pytest.fixture
def open_driver(tiny_model: Path, plain: Plain, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Load an engine with drafts and a disk cache; the one before ends first."""
    take_every_draft(monkeypatch)
    drivers: list[Driver] = []

    def end_last() -> None:
        disk = drivers[-1].backend.disk_cache
        assert disk is not None
        disk.flush(30)
        disk.close()

    def open_driver(folder: Path) -> Driver:
        if drivers:
            end_last()
        source = ScriptedDrafts(plain.next_tokens, half_right)
        driver = load_with_drafts(tiny_model, source, disk_cache_dir=folder)
        driver.backend.open_disk_cache("processor", "f32")
        drivers.append(driver)
        return driver

    yield open_driver
    end_last()


def test_what_was_drafted_can_be_loaded_again(open_driver: Open, plain: Plain, tmp_path: Path) -> None:
    asked = [request(*TEXT[3 * index :][:50], limit=30, sampling=each) for index, each in enumerate(SAMPLINGS)]
    check(open_driver(tmp_path), plain, asked)
    turns = [
        replace(each, prompt_ids=(*each.prompt_ids, *plain.answer(each)[0], *TEXT[200:205]), max_new_tokens=25)
        for each in asked
    ]
    plain.learn(turns)
    second = open_driver(tmp_path)
    check(second, plain, turns)
    taken = [event for event in second.events if isinstance(event, PromptTaken)]
    assert [event.disk_tokens for event in taken] == [79] * len(asked)


def test_an_erasure_leaves_no_drafted_block(open_driver: Open, plain: Plain, tmp_path: Path) -> None:
    driver = open_driver(tmp_path)
    words = request(*TEXT[:50], limit=60, sources=(Source(0, message_id=1, author_id=2, channel_id=3),))
    number = driver.add(words)
    while len(driver.ids(number)) < 30:
        driver.step()
    driver.backend.erase(Erasure(1, message_ids=frozenset({1})))
    driver.run()
    assert driver.outcomes(number) == [Outcome(FinishReason.LENGTH)]
    assert driver.ids(number) == plain.answer(words)[0]
    again = replace(words, erasures=1)
    number = driver.add(again)
    driver.run()
    assert driver.cached(number) == 0
    assert driver.ids(number) == plain.answer(words)[0]
