"""A lost engine is noticed, its cause is told, and its requests go on; what ends it each time is given up alone."""

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

from bot.engine.interface import BatchState, EngineOptions, FinishReason, Outcome, Sampling
from bot.engine.supervisor import supervisor as process
from bot.engine.supervisor import worker_process
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
GIVEN_UP = "This question makes the engine fail each time. Ask it in other words."
POISON = 31_999
"""A token that no other prompt has, and no greedy answer is likely to."""


def run_with_poison(connection: Connection, options: EngineOptions) -> None:
    """Be an engine process that crashes in the step that reads the poison."""
    from bot.engine.worker.paged.model import PagedModel

    advance = PagedModel.advance

    def crash_or_advance(self, sequences):  # type: ignore[no-untyped-def]
        if any(POISON in each.tokens for each in sequences):
            os.abort()
        return advance(self, sequences)

    PagedModel.advance = crash_or_advance  # type: ignore[method-assign]
    run(connection, options)


@dataclass
class Losses:
    """An observer that keeps what it is told of lost engines, and when."""

    causes: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def engine_stepped(self, state: BatchState) -> None:
        """Nothing of interest here."""

    def prompt_read(self, tokens: int, cached: int) -> None:
        """Nothing of interest here."""

    def engine_restarted(self, cause: str) -> None:
        self.causes.append(cause)
        self.times.append(time.monotonic())


@pytest.fixture(scope="module")
def losses() -> Losses:
    return Losses()


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
async def shared_engine(options: EngineOptions, losses: Losses) -> AsyncIterator[EngineSupervisor]:
    engine = EngineSupervisor(options, losses)
    await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(shared_engine: EngineSupervisor, losses: Losses) -> EngineSupervisor:
    """An engine that is loaded, and has told of no loss yet."""
    await wait_until(lambda: shared_engine.facts is not None)
    losses.causes.clear()
    losses.times.clear()
    return shared_engine


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - nobody is told of all that is waited for
            await asyncio.sleep(0.01)


def process_of(engine: EngineSupervisor) -> psutil.Process:
    assert engine.facts is not None
    return psutil.Process(engine.facts.process_id)


def once_after_ten(act: Callable[[], None]) -> Callable[[list[int]], None]:
    """Do something as soon as ten tokens have come."""
    acts = iter([act])

    def on_ids(ids: list[int]) -> None:
        if len(ids) >= 10:
            next(acts, lambda: None)()

    return on_ids


async def test_a_stopped_engine_is_noticed_and_its_answer_goes_on(engine: EngineSupervisor, losses: Losses) -> None:
    asked = request(1, 2, 3, limit=200)
    expected, _ = await collect(engine.submit(asked))
    stopped_at: list[float] = []
    lost, restarts = process_of(engine), engine.restarts

    def stop() -> None:
        lost.suspend()
        stopped_at.append(time.monotonic())

    assert await collect(engine.submit(asked), once_after_ten(stop)) == (expected, LENGTH)
    assert losses.causes == ["hung"]
    assert losses.times[0] - stopped_at[0] < HANG_SECONDS + 2
    assert engine.restarts == restarts + 1
    assert not lost.is_running()


async def test_a_random_answer_goes_on_as_it_would_have(engine: EngineSupervisor, losses: Losses) -> None:
    asked = request(5, 6, 7, limit=200, sampling=Sampling(temperature=1.0, top_k=50, seed=11))
    expected, _ = await collect(engine.submit(asked))
    lost = process_of(engine)
    assert await collect(engine.submit(asked), once_after_ten(lost.kill)) == (expected, LENGTH)
    assert losses.causes == ["crashed"]
    other, _ = await collect(engine.submit(replace(asked, sampling=replace(asked.sampling, seed=12))))
    assert other != expected, "this is no random answer"


async def test_an_idle_engine_is_started_again(engine: EngineSupervisor, losses: Losses) -> None:
    lost = process_of(engine)
    lost.kill()
    await wait_until(lambda: engine.facts is not None and engine.facts.process_id != lost.pid)
    assert losses.causes == ["crashed"]
    ids, outcome = await collect(engine.submit(request(1, 2)))
    assert len(ids) == 20
    assert outcome == LENGTH


async def test_what_is_read_ahead_is_not_read_again(engine: EngineSupervisor, losses: Losses) -> None:
    lost = process_of(engine)
    lost.suspend()  # so that it certainly does not read to the end
    ahead = engine.submit(request(*range(10, 2000), prefill_only=True))
    lost.kill()
    assert await collect(ahead) == ([], CANCELLED)
    assert engine.facts is None, "the next engine took it up"
    assert losses.causes == ["crashed"]


async def test_a_request_stays_cancelled_when_the_engine_is_lost_before_it_hears_of_it(
    engine: EngineSupervisor,
) -> None:
    lost = process_of(engine)
    cancelled = engine.submit(request(1, 2, limit=4000))
    reading = aiter(cancelled)
    await anext(reading)
    lost.suspend()
    cancelled.cancel()
    lost.kill()
    async for _ in reading:
        pass
    assert cancelled.outcome == CANCELLED
    assert engine.facts is None, "the next engine took it up"


async def test_a_request_that_ends_the_engine_each_time_fails_alone(
    options: EngineOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", run_with_poison)
    monkeypatch.setattr(process, "RESTART_DELAYS", (0.0, 0.1, 0.1, 0.1))
    losses = Losses()
    engine = EngineSupervisor(replace(options, max_batch=4), losses)
    await engine.start()
    innocent = [request(1, 2, number, limit=150) for number in range(10, 16)]
    expected = await asyncio.gather(*(collect(engine.submit(each)) for each in innocent))

    before, after = innocent[:3], innocent[3:]  # one of the later ones has to wait for room in the batch
    running = [engine.submit(each) for each in before]
    reading = aiter(running[0])
    first = await anext(reading)
    deadly = engine.submit(request(1, 2, POISON))
    running += [engine.submit(each) for each in after]
    assert await collect(deadly) == ([], Outcome(FinishReason.FAILED, GIVEN_UP))
    rest = [token async for piece in reading for token in piece]
    answers = [([*first, *rest], running[0].outcome), *[await collect(each) for each in running[1:]]]
    assert answers == expected
    assert losses.causes == ["crashed"] * MAX_CRASHES
    await engine.close()


async def test_time_runs_out_for_a_request_whose_engine_does_not_come_back(
    tiny_model: Path, options: EngineOptions, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    engine = EngineSupervisor(replace(options, model_dir=folder))
    await engine.start()
    lost = process_of(engine)
    folder.rename(tmp_path / "away")
    began = time.monotonic()
    ids, outcome = await collect(
        engine.submit(request(1, 2, limit=4000, time_limit_seconds=3)), once_after_ten(lost.kill)
    )
    assert 0 < len(ids) < 4000
    assert outcome == Outcome(FinishReason.TIMEOUT)
    assert 3 <= time.monotonic() - began < 5
    assert engine.facts is None
    await engine.close()


async def test_a_retired_engine_finishes_what_it_has_begun_even_if_it_is_lost(options: EngineOptions) -> None:
    engine = EngineSupervisor(options)
    await engine.start()
    lost = process_of(engine)
    ahead = engine.submit(request(*range(10, 3000), prefill_only=True))
    running = [engine.submit(request(1, number, limit=150)) for number in range(10, 13)]
    retiring = asyncio.create_task(engine.retire())
    reading = aiter(running[0])
    count = len(await anext(reading))
    lost.kill()
    async for ids in reading:
        count += len(ids)
    assert (count, running[0].outcome) == (150, LENGTH)
    for each in running[1:]:
        answer, outcome = await collect(each)
        assert (len(answer), outcome) == (150, LENGTH)
    last = process_of(engine)
    await asyncio.wait_for(retiring, PATIENCE_SECONDS)
    assert not last.is_running()
    assert await collect(ahead) == ([], CANCELLED)


async def test_an_engine_that_ends_the_moment_it_is_ready_has_not_started(options: EngineOptions) -> None:
    threads, others = set(threading.enumerate()), engine_processes()
    engine = EngineSupervisor(options)

    def end_it_unseen(line: str) -> None:
        """Hold the event loop up till the process was ready and is gone: the loop learns of both at once."""
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
