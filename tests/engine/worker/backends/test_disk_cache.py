"""The disk cache with a real model: the same answers, sooner, and nobody waits for another's load."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bot.engine.interface import EngineOptions, Erasure, FinishReason, Outcome, Source
from bot.engine.protocol import PromptTaken, Tokens, Warned
from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.disk_cache import cache as disk_cache
from bot.engine.worker.paged.disk_cache.block_file import read_payload, read_stored_block
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import LENGTH, Driver, Expected, options

CANCELLED = Outcome(FinishReason.CANCELLED)

_words = random.Random(1)
STORY = tuple(_words.choices(range(3, 32000), k=400))
OTHER = tuple(_words.choices(range(3, 32000), k=400))
OTHER_WORDS = frozenset(OTHER)

Open: TypeAlias = Callable[..., Driver]


@pytest.fixture
def open_driver(tiny_model: Path, tmp_path: Path) -> Iterator[Open]:
    """Load a backend with a disk cache; the one before ends first."""
    drivers: list[Driver] = []

    def end_last() -> None:
        if drivers:
            disk = drivers[-1].backend.disk_cache
            assert disk is not None
            disk.flush(30)
            disk.close()

    def open_driver(blocks: int = 100, *, precision: str = "f32", **changes: Any) -> Driver:
        end_last()
        chosen: EngineOptions = replace(options(tiny_model), disk_cache_dir=tmp_path / "kv_cache", **changes)
        driver = Driver(lambda emit: PagedBackend(chosen, emit, blocks))
        driver.backend.open_disk_cache("processor", precision)
        drivers.append(driver)
        return driver

    yield open_driver
    end_last()


def taken(driver: Driver, request_id: int) -> PromptTaken:
    [event] = [each for each in driver.events if isinstance(each, PromptTaken) and each.request_id == request_id]
    return event


class HeldReads:
    """Makes every read from the disk wait for `go_on`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = threading.Event()
        self._free = threading.Event()
        monkeypatch.setattr(disk_cache, "read_payload", self._read)
        monkeypatch.setattr(disk_cache, "_PATIENCE_SECONDS", 60.0)

    def _read(self, *arguments: Any) -> int:
        self.began.set()
        assert self._free.wait(30)
        return read_payload(*arguments)

    def go_on(self) -> None:
        self._free.set()


def test_answers_are_the_same_after_a_restart(open_driver: Open, expected: Expected) -> None:
    first = open_driver()
    for prompt in (STORY, OTHER, STORY[:90]):
        assert first.answer(*prompt) == expected(prompt)[:20]
    second = open_driver()
    for prompt in (STORY, OTHER, STORY[:90], (*STORY[:77], *OTHER[:90])):
        asked = second.add(request(*prompt))
        second.run()
        assert second.ids(asked) == expected(prompt)[:20]
    assert (taken(second, 1).cached_tokens, taken(second, 1).disk_tokens) == (399, 399)
    assert (taken(second, 3).cached_tokens, taken(second, 3).disk_tokens) == (89, 0), "the first had loaded it"


def test_what_memory_evicts_is_loaded_again(open_driver: Open, expected: Expected) -> None:
    driver = open_driver(blocks=20)
    for _ in range(3):
        for prompt in (STORY, OTHER):
            assert driver.answer(*prompt) == expected(prompt)[:20]
    assert [taken(driver, each).cached_tokens for each in (3, 4, 5, 6)] == [399] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf16"},
        {"properties": {**options(Path()).properties, "KV_CACHE_PRECISION": "u8"}},
        {"properties": {**options(Path()).properties, "INFERENCE_NUM_THREADS": "2"}},
    ],
    ids=["inference precision", "cache precision", "property"],
)
def test_blocks_of_another_engine_are_left_aside_and_removed(
    open_driver: Open, tmp_path: Path, change: dict[str, object]
) -> None:
    open_driver().answer(*STORY)
    other = open_driver(**change)
    [folder] = [each for each in (tmp_path / "kv_cache").iterdir() if each.is_dir()]
    assert not list(folder.glob("*.block"))
    other.add(request(*STORY))
    other.run()
    assert taken(other, 1).cached_tokens == 0


def test_answers_stream_while_a_prompt_is_loaded(
    open_driver: Open, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_driver().answer(*STORY)
    driver = open_driver()
    streaming = driver.add(request(*OTHER, limit=30))
    while not driver.ids(streaming):
        driver.step()
    reads = HeldReads(monkeypatch)
    newcomer = driver.add(request(*STORY))
    driver.step()
    assert reads.began.wait(30)
    for _ in range(5):
        assert [event.request_id for event in driver.step() if isinstance(event, Tokens)] == [streaming]
    reads.go_on()
    driver.run()
    assert driver.ids(newcomer) == expected(STORY)[:20]
    assert driver.ids(streaming) == expected(OTHER)[:30]
    assert taken(driver, newcomer).disk_tokens == 399


def test_a_cancelled_load_leaves_nothing_behind(open_driver: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_driver().answer(*STORY)
    driver = open_driver()
    reads = HeldReads(monkeypatch)
    asked = driver.add(request(*STORY))
    driver.step()
    assert reads.began.wait(30)
    driver.backend.end(asked, FinishReason.CANCELLED)
    reads.go_on()
    driver.run()
    assert driver.outcomes(asked) == [CANCELLED]
    assert driver.backend.state.batch == 0
    assert driver.answer(*STORY) == driver.answer(*STORY)


def test_while_others_run_a_prefill_only_request_loads_and_computes_nothing(open_driver: Open) -> None:
    open_driver().answer(*STORY)
    driver = open_driver()
    driver.add(request(*OTHER, limit=60))
    whole = driver.add(request(*STORY, limit=0, prefill_only=True))
    longer = driver.add(request(*STORY, *OTHER, limit=0, prefill_only=True))
    while not (driver.outcomes(whole) and driver.outcomes(longer)):
        driver.step()
    assert (driver.outcomes(whole), driver.outcomes(longer)) == ([LENGTH], [CANCELLED])
    assert driver.backend.state.batch == 1
    asked = driver.add(request(*STORY))
    driver.run()
    assert (taken(driver, asked).cached_tokens, taken(driver, asked).disk_tokens) == (399, 399), "loaded ahead of it"


def test_a_question_goes_on_with_what_is_being_loaded_ahead_of_it(
    open_driver: Open, expected: Expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_driver().answer(*STORY)
    driver = open_driver()
    reads = HeldReads(monkeypatch)
    ahead = driver.add(request(*STORY[:300], limit=0, prefill_only=True))
    driver.step()
    assert reads.began.wait(30)
    asked = driver.add(request(*STORY))
    driver.step()
    reads.go_on()
    driver.run()
    assert driver.outcomes(ahead) == [CANCELLED]
    assert driver.ids(asked) == expected(STORY)[:20]
    assert taken(driver, asked).cached_tokens == 399


def test_a_question_leaves_what_is_loaded_for_another_conversation_alone(
    open_driver: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = (*STORY[:40], *OTHER[:200])  # the same system prompt
    open_driver().answer(*another)
    driver = open_driver()
    reads = HeldReads(monkeypatch)
    ahead = driver.add(request(*another, limit=0, prefill_only=True))
    driver.step()
    assert reads.began.wait(30)
    asked = driver.add(request(*STORY))
    driver.step()
    reads.go_on()
    driver.run()
    assert (driver.outcomes(ahead), driver.outcomes(asked)) == ([LENGTH], [LENGTH])


def test_loading_ahead_makes_room_for_a_question(open_driver: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    open_driver().answer(*STORY)
    driver = open_driver(blocks=20)
    reads = HeldReads(monkeypatch)
    ahead = driver.add(request(*STORY, limit=0, prefill_only=True))
    driver.step()
    assert reads.began.wait(30)
    asked = driver.add(request(*OTHER))
    driver.step()
    assert driver.outcomes(ahead) == [CANCELLED]
    reads.go_on()
    driver.run()
    assert driver.outcomes(asked) == [LENGTH]


def test_the_bot_does_not_hear_of_every_block_that_is_deleted(
    open_driver: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_driver()
    first.add(request(*STORY, sources=(Source(0, 1, 7, 3),)))
    first.run()
    driver = open_driver()
    unlink = Path.unlink

    def slow_unlink(path: Path, missing_ok: bool) -> None:
        time.sleep(0.002)
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", slow_unlink)
    driver.backend.erase(Erasure(1, author_id=7))
    assert driver.run() < blocks_for(len(STORY)), "the worker reports each step"


def test_an_erasure_finds_words_after_a_beginning_that_another_message_shares(
    open_driver: Open, tmp_path: Path
) -> None:
    def ask(driver: Driver, message_id: int, prompt: tuple[int, ...]) -> int:
        quote_id = message_id + 10
        asked = driver.add(request(*prompt, sources=(Source(5, message_id, 1, 1), Source(5, quote_id, 1, 1))))
        driver.run()
        return asked

    def holds_the_second() -> bool:
        return any(len(OTHER_WORDS.intersection(tokens)) > 20 for tokens in tokens_on_disk(tmp_path))

    for erased in (2, 12):
        driver = open_driver()
        ask(driver, 1, STORY)
        ask(driver, 2, (*STORY[:70], *OTHER))
        assert holds_the_second()
        driver.backend.erase(Erasure(erased, message_ids=frozenset({erased})))
        driver.run()
        assert not holds_the_second()
    driver = open_driver()
    assert taken(driver, ask(driver, 1, STORY)).disk_tokens == len(STORY) - 1


def test_an_erasure_spares_another_message_that_begins_alike(open_driver: Open) -> None:
    driver = open_driver()
    for message_id, prompt in ((1, STORY), (2, (*STORY[:20], *OTHER))):
        driver.add(request(*prompt, sources=(Source(5, message_id, 1, 1),)))
        driver.run()
    driver.backend.erase(Erasure(1, message_ids=frozenset({1})))
    driver.run()
    for each in (driver, open_driver()):
        asked = each.add(request(*STORY[:20], *OTHER, sources=(Source(5, 2, 1, 1),)))
        each.run()
        assert taken(each, asked).cached_tokens == 20 + len(OTHER) - 1


def tokens_on_disk(folder: Path) -> list[tuple[int, ...]]:
    return [read_stored_block(path, None).tokens for path in folder.rglob("*.block")]


def test_it_answers_without_a_usable_folder(tiny_model: Path, tmp_path: Path, expected: Expected) -> None:
    (tmp_path / "file").touch()
    chosen = replace(options(tiny_model), disk_cache_dir=tmp_path / "file")
    driver = Driver(lambda emit: PagedBackend(chosen, emit, 100))
    driver.backend.open_disk_cache("processor", "f32")
    [warned] = driver.events
    assert isinstance(warned, Warned)
    assert warned.line.startswith(
        "Disk cache is off, histories are read again after a restart; make it a folder that the bot can read and "
        f"write: path={tmp_path / 'file'} reason="
    )
    assert driver.answer(*STORY) == expected(STORY)[:20]
