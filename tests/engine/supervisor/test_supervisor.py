"""Crashes and hangs are reported, requests resume, and only a request that crashes each worker fails."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from fault_injection.footprint import engine_processes

from bot.engine.interface import EngineOptions, FinishReason, Outcome, Sampling
from bot.engine.observer import BatchState
from bot.engine.supervisor import restarter, worker_process
from bot.engine.supervisor.job import MAX_CRASHES
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.main import run
from bot.errors import ConfigurationError
from tests.engine.conftest import collect, request
from tests.inference_precision import EXACT

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANG_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
LENGTH = Outcome(FinishReason.LENGTH)
CANCELLED = Outcome(FinishReason.CANCELLED)
GIVEN_UP = Outcome(
    FinishReason.FAILED,
    "the request crashes the engine each time",
    "This question makes me fail each time. Ask it in other words.",
)
POISON = 31_999
"""A token in no other prompt, and hardly in a greedy answer."""


def run_with_poison(connection: Connection, options: EngineOptions) -> None:
    """Run a worker that crashes in the step with the poison."""
    from bot.engine.worker.paged.model import PagedModel

    advance = PagedModel.advance

    def crash_or_advance(self, sequences):  # type: ignore[no-untyped-def]
        if any(POISON in each.tokens for each in sequences):
            os.abort()
        return advance(self, sequences)

    PagedModel.advance = crash_or_advance  # type: ignore[method-assign]
    run(connection, options)


@dataclass
class Restarts:
    """An observer that records restarts and their times."""

    causes: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def engine_stepped(self, state: BatchState) -> None:
        """Not recorded."""

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Not recorded."""

    def engine_restarted(self, cause: str) -> None:
        self.causes.append(cause)
        self.times.append(time.monotonic())


@pytest.fixture(scope="module")
def recorded() -> Restarts:
    return Restarts()


@pytest.fixture(scope="module")
def options(tiny_model: Path) -> EngineOptions:
    return EngineOptions(
        engine="paged",
        model_dir=tiny_model,
        properties=EXACT,
        cache_gigabytes=0.2,
        hang_seconds=HANG_SECONDS,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_engine(options: EngineOptions, recorded: Restarts) -> AsyncIterator[EngineSupervisor]:
    engine = EngineSupervisor(options, recorded)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared_engine: EngineSupervisor, recorded: Restarts) -> EngineSupervisor:
    """A loaded engine without a recorded restart."""
    await wait_until(lambda: shared_engine.facts is not None)
    recorded.causes.clear()
    recorded.times.clear()
    return shared_engine


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - not every condition has an event
            await asyncio.sleep(0.01)


def process_of(engine: EngineSupervisor) -> psutil.Process:
    assert engine.facts is not None
    return psutil.Process(engine.facts.process_id)


def once_after_ten(act: Callable[[], None]) -> Callable[[list[int]], None]:
    """Act once, after ten tokens."""
    acts = iter([act])

    def on_ids(ids: list[int]) -> None:
        if len(ids) >= 10:
            next(acts, lambda: None)()

    return on_ids


async def test_a_hang_is_noticed_and_the_answer_resumes(engine: EngineSupervisor, recorded: Restarts) -> None:
    asked = request(1, 2, 3, limit=200)
    expected, _ = await collect(engine.submit(asked))
    stopped_at: list[float] = []
    worker, restarts = process_of(engine), engine.restarts

    def stop() -> None:
        worker.suspend()
        stopped_at.append(time.monotonic())

    assert await collect(engine.submit(asked), once_after_ten(stop)) == (expected, LENGTH)
    assert recorded.causes == ["hung"]
    assert recorded.times[0] - stopped_at[0] < HANG_SECONDS + 2
    assert engine.restarts == restarts + 1
    assert not worker.is_running()


async def test_a_random_answer_resumes_as_it_would_have_gone_on(engine: EngineSupervisor, recorded: Restarts) -> None:
    # A penalty below 1 is a reward, so the answer's own tokens repeat.
    sampling = Sampling(temperature=1.5, top_k=50, repetition_penalty=0.5, seed=11)
    asked = request(5, 6, 7, limit=200, sampling=sampling)
    expected, _ = await collect(engine.submit(asked))
    worker = process_of(engine)
    assert await collect(engine.submit(asked), once_after_ten(worker.kill)) == (expected, LENGTH)
    assert recorded.causes == ["crashed"]
    other, _ = await collect(engine.submit(replace(asked, sampling=replace(asked.sampling, seed=12))))
    assert other != expected, "this answer is not random"


async def test_an_idle_engine_restarts_after_a_crash(engine: EngineSupervisor, recorded: Restarts) -> None:
    worker = process_of(engine)
    worker.kill()
    await wait_until(lambda: engine.facts is not None and engine.facts.process_id != worker.pid)
    assert recorded.causes == ["crashed"]
    ids, outcome = await collect(engine.submit(request(1, 2)))
    assert len(ids) == 20
    assert outcome == LENGTH


async def test_a_prefill_only_request_does_not_resume(engine: EngineSupervisor, recorded: Restarts) -> None:
    worker = process_of(engine)
    worker.suspend()  # so that it cannot finish
    prefill = engine.submit(request(*range(10, 2000), prefill_only=True))
    worker.kill()
    assert await collect(prefill) == ([], CANCELLED)
    assert engine.facts is None, "it went to the next worker"
    assert recorded.causes == ["crashed"]


async def test_a_request_stays_cancelled_when_the_worker_crashes_before_it_gets_the_command(
    engine: EngineSupervisor,
) -> None:
    worker = process_of(engine)
    cancelled = engine.submit(request(1, 2, limit=4000))
    reading = aiter(cancelled)
    await anext(reading)
    worker.suspend()
    cancelled.cancel()
    worker.kill()
    async for _ in reading:
        pass
    assert cancelled.outcome == CANCELLED
    assert engine.facts is None, "it went to the next worker"


async def test_a_request_that_crashes_each_worker_fails_alone(
    options: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", run_with_poison)
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.1, 0.1, 0.1))
    recorded = Restarts()
    engine = EngineSupervisor(replace(options, max_batch=4), recorded)
    await engine.start()
    innocent = [request(1, 2, number, limit=150) for number in range(10, 16)]
    expected = await asyncio.gather(*(collect(engine.submit(each)) for each in innocent))

    before, after = innocent[:3], innocent[3:]  # one of the later ones waits for room in the batch
    running = [engine.submit(each) for each in before]
    reading = aiter(running[0])
    first = await anext(reading)
    deadly = engine.submit(request(1, 2, POISON))
    running += [engine.submit(each) for each in after]
    assert await collect(deadly) == ([], GIVEN_UP)
    rest = [token async for piece in reading for token in piece]
    answers = [([*first, *rest], running[0].outcome), *[await collect(each) for each in running[1:]]]
    assert answers == expected
    assert recorded.causes == ["crashed"] * MAX_CRASHES
    await engine.close()


async def test_a_request_times_out_when_the_engine_does_not_come_back(
    tiny_model: Path, options: EngineOptions, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    engine = EngineSupervisor(replace(options, model_dir=folder))
    await engine.start()
    worker = process_of(engine)
    folder.rename(tmp_path / "away")
    began = time.monotonic()
    ids, outcome = await collect(
        engine.submit(request(1, 2, limit=4000, time_limit_seconds=3)), once_after_ten(worker.kill)
    )
    assert 0 < len(ids) < 4000
    assert outcome == Outcome(FinishReason.TIMEOUT)
    assert 3 <= time.monotonic() - began < 5
    assert engine.facts is None
    await engine.close()


async def test_a_retired_engine_finishes_its_requests_even_after_a_crash(options: EngineOptions) -> None:
    engine = EngineSupervisor(options)
    await engine.start()
    worker = process_of(engine)
    prefill = engine.submit(request(*range(10, 3000), prefill_only=True))
    running = [engine.submit(request(1, number, limit=150)) for number in range(10, 13)]
    retiring = asyncio.create_task(engine.retire())
    reading = aiter(running[0])
    count = len(await anext(reading))
    worker.kill()
    async for ids in reading:
        count += len(ids)
    assert (count, running[0].outcome) == (150, LENGTH)
    for each in running[1:]:
        answer, outcome = await collect(each)
        assert (len(answer), outcome) == (150, LENGTH)
    last = process_of(engine)
    await asyncio.wait_for(retiring, PATIENCE_SECONDS)
    assert not last.is_running()
    assert await collect(prefill) == ([], CANCELLED)


async def test_a_worker_that_dies_the_moment_it_is_ready_has_not_started(options: EngineOptions) -> None:
    threads, others = set(threading.enumerate()), engine_processes()
    engine = EngineSupervisor(options)

    def end_it_unseen(line: str) -> None:
        """Block the event loop until the worker was ready and has died, so that both arrive at once."""
        if line == "Warming up":
            loading = psutil.Process(*(engine_processes() - others))
            [reader] = [each for each in set(threading.enumerate()) - threads if each.name == "engine-read"]
            computed = -1.0
            while computed < (computed := loading.cpu_times().user):
                time.sleep(0.5)
            loading.kill()
            reader.join(PATIENCE_SECONDS)

    with pytest.raises(ConfigurationError, match="ended while it loaded the model"):
        await engine.start(end_it_unseen)
    assert engine.facts is None
    await engine.close()
