"""Erasures reach the worker in order, and each later worker that may need them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.engine.interface import EngineOptions, Erasure, GenerationRequest, Source
from bot.engine.supervisor import supervisor as process
from bot.engine.supervisor import worker_process
from bot.engine.supervisor.held_messages import HeldMessages
from bot.engine.supervisor.job import Job
from bot.engine.supervisor.recent_erasures import RecentErasures
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.supervisor.token_stream import TokenStream
from tests.engine.scripted_worker import ON_DISK, Gate, reported, run_scripted


def request(number: int, *message_ids: int, erasures: int = 0) -> GenerationRequest:
    sources = tuple(Source(0, message_id, 1, 1) for message_id in message_ids)
    return GenerationRequest((number,), frozenset(), 10, sources=sources, erasures=erasures)


def erasure(number: int) -> Erasure:
    return Erasure(number, message_ids=frozenset({number}))


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest.fixture
def held() -> HeldMessages:
    return HeldMessages()


@pytest_asyncio.fixture
async def engine(
    tmp_path: Path, gate: Gate, held: HeldMessages, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[EngineSupervisor]:
    monkeypatch.setattr(worker_process, "run", run_scripted)
    caplog.set_level(logging.WARNING, logger=process.__name__)
    engine = EngineSupervisor(EngineOptions("paged", tmp_path, properties=gate.properties), held_messages=held)
    yield engine
    await engine.close()


async def commands(caplog: pytest.LogCaptureFixture, count: int) -> list[str]:
    return [command for _, command in await reported(caplog, count)]


async def killed_worker(engine: EngineSupervisor) -> None:
    assert engine.facts is not None
    process_id = engine.facts.process_id
    psutil.Process(process_id).kill()
    await until(lambda: engine.facts is None or engine.facts.process_id != process_id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - not every condition has an event
            await asyncio.sleep(0.01)


async def test_a_worker_gets_erasures_in_order_with_requests(
    engine: EngineSupervisor, caplog: pytest.LogCaptureFixture
) -> None:
    await engine.start()
    engine.submit(request(1, 1))
    engine.erase(erasure(1))
    engine.submit(request(2, 2, erasures=1))
    engine.erase(erasure(2))
    assert await commands(caplog, 4) == ["submit 1", "erase 1", "submit 2", "erase 2"]


async def test_a_worker_that_is_loading_gets_them_too(
    engine: EngineSupervisor, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    engine.erase(erasure(1))
    gate.close()
    loading = asyncio.Event()
    starting = asyncio.create_task(engine.start(lambda _: loading.set()))
    await asyncio.wait_for(loading.wait(), 20)
    engine.submit(request(1, 1))
    engine.erase(erasure(2))
    gate.open()
    await starting
    assert await commands(caplog, 3) == ["erase 1", "erase 2", "submit 1"]


async def test_a_later_worker_gets_what_its_requests_do_not_know_before_them(
    engine: EngineSupervisor, caplog: pytest.LogCaptureFixture
) -> None:
    await engine.start()
    engine.submit(request(1, 1))
    engine.erase(erasure(1))
    engine.submit(request(2, 2, erasures=1))
    await commands(caplog, 3)
    await killed_worker(engine)
    engine.erase(erasure(2))
    assert await commands(caplog, 4) == ["erase 1", "erase 2", "submit 1", "submit 2"]


@pytest.mark.parametrize(
    ("known", "kept_for_long"),
    [((), []), ((4,), []), ((2, 3), [3, 4]), ((0,), [1, 2, 3, 4])],
    ids=["no request", "one that knows all", "two that know some", "one that knows none"],
)
def test_erasures_are_kept_for_a_while_and_then_only_for_requests_that_do_not_know_them(
    known: tuple[int, ...], kept_for_long: list[int]
) -> None:
    now = 0.0
    jobs = [Job(request(1, erasures=number), TokenStream(lambda: None), 0.0) for number in known]
    recent = RecentErasures(lambda: jobs, lambda: now)
    for number in range(1, 5):
        recent.add(erasure(number))
    assert [each.number for each in recent.all()] == [1, 2, 3, 4]
    now = 3600.0
    assert [each.number for each in recent.all()] == kept_for_long
    recent.add(erasure(5))
    jobs.clear()
    assert [each.number for each in recent.all()] == [5]


async def test_only_words_that_an_engine_has_on_disk_or_was_given_concern_it(
    engine: EngineSupervisor, held: HeldMessages
) -> None:
    def concerned(*message_ids: int) -> bool:
        return held.may_concern(Erasure(1, message_ids=frozenset(message_ids)))

    assert concerned(5), "what is on disk is not known yet"
    await engine.start()
    assert concerned(5, ON_DISK)
    assert not concerned(5)
    engine.submit(request(1, 5, 6))
    assert concerned(6)
    assert not concerned(7)
    await killed_worker(engine)
    await until(lambda: engine.facts is not None)
    assert concerned(6)
    for each in (Erasure(1, author_id=1), Erasure(1, channel_ids=frozenset({1})), Erasure(1, before_id=1)):
        assert held.may_concern(each)


def test_without_a_disk_cache_nothing_concerns_an_engine_that_was_given_nothing() -> None:
    assert not HeldMessages(known=True).may_concern(Erasure(1, message_ids=frozenset({5})))
