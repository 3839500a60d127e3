"""What all backends have in common, on a real model in a real worker process."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from tiny_models.phi3 import VOCABULARY

from bot.engine.interface import EngineOptions, FinishReason, Outcome, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.engine.conftest import collect, kill_after, request
from tests.inference_precision import EXACT

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = (1, 5, 6, 7)
LENGTH = Outcome(FinishReason.LENGTH)


@pytest.fixture(scope="module")
def model_that_stops_anywhere(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose own settings make every token a stop token: only the request's may count."""
    folder = tmp_path_factory.mktemp("stops-anywhere")
    shutil.copytree(tiny_model, folder, dirs_exist_ok=True)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": list(range(VOCABULARY))}))
    return folder


@pytest.fixture(scope="module", params=["paged", "genai", "optimum"])
def options(request: pytest.FixtureRequest, model_that_stops_anywhere: Path) -> EngineOptions:
    return EngineOptions(request.param, model_that_stops_anywhere, properties=EXACT, cache_gigabytes=1)


@pytest.fixture(scope="module")
def prompts() -> list[list[int]]:
    draw = random.Random(0)
    return [[1, *draw.choices(range(3, 32000), k=draw.randrange(5, 300))] for _ in range(12)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fresh_genai_answers(model_that_stops_anywhere: Path, prompts: list[list[int]]) -> list[list[int]]:
    """What openvino-genai answers to each prompt; loaded once for all backends."""
    fresh = EngineSupervisor(EngineOptions("genai", model_that_stops_anywhere, properties=EXACT, cache_gigabytes=1))
    await fresh.start()
    answers = await answers_of(fresh, prompts)
    await fresh.close()
    return answers


async def answers_of(engine: EngineSupervisor, prompts: list[list[int]]) -> list[list[int]]:
    """Answer one prompt after the other."""
    return [(await collect(engine.submit(request(*prompt, limit=48))))[0] for prompt in prompts]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(options: EngineOptions) -> AsyncIterator[EngineSupervisor]:
    """One engine for all tests of a backend: optimum takes ten seconds to load."""
    process = EngineSupervisor(options)
    await process.start()
    yield process
    assert process.facts is not None
    child = psutil.Process(process.facts.process_id)
    running = process.submit(request(*PROMPT, limit=4000))
    async with asyncio.timeout(5):
        await process.close()
    assert running.outcome == Outcome(FinishReason.CANCELLED)
    assert not child.is_running()


async def test_generates_as_many_tokens_as_asked(engine: EngineSupervisor) -> None:
    ids, outcome = await collect(engine.submit(request(*PROMPT, limit=20)))
    assert len(ids) == 20
    assert outcome == LENGTH


async def test_tokens_stream(engine: EngineSupervisor) -> None:
    pieces = [piece async for piece in engine.submit(request(*PROMPT, limit=200))]
    assert len(pieces) > 20


async def test_greedy_answers_repeat(engine: EngineSupervisor) -> None:
    first, _ = await collect(engine.submit(request(*PROMPT)))
    second, _ = await collect(engine.submit(request(*PROMPT)))
    assert first == second


async def test_a_stop_token_ends_the_answer_and_is_not_part_of_it(engine: EngineSupervisor) -> None:
    free, _ = await collect(engine.submit(request(*PROMPT)))
    stop = free[7]
    ids, outcome = await collect(engine.submit(request(*PROMPT, stop=frozenset({stop, 32000}))))
    assert ids == free[: free.index(stop)]
    assert outcome == Outcome(FinishReason.STOP)


async def test_cancel_ends_a_running_request(engine: EngineSupervisor) -> None:
    generation = engine.submit(request(*PROMPT, limit=4000))

    def cancel_after_ten(ids: list[int]) -> None:
        if len(ids) >= 10:
            generation.cancel()

    ids, outcome = await collect(generation, cancel_after_ten)
    assert 10 <= len(ids) < 4000
    assert outcome == Outcome(FinishReason.CANCELLED)


async def test_cancel_ends_a_waiting_request(engine: EngineSupervisor, options: EngineOptions) -> None:
    # One more than a batch holds, so the last waits however fast the engine is.
    running = engine.submit(request(*PROMPT, limit=200))
    rest_of_batch = [engine.submit(request(*PROMPT, limit=2000)) for _ in range(options.max_batch - 1)]
    waiting = engine.submit(request(*PROMPT, limit=2000))
    waiting.cancel()
    assert await collect(waiting) == ([], Outcome(FinishReason.CANCELLED))
    ids, _ = await collect(running)
    assert len(ids) == 200
    for each in rest_of_batch:
        each.cancel()
        await collect(each)


async def test_leaving_the_iteration_cancels(engine: EngineSupervisor) -> None:
    abandoned = engine.submit(request(*PROMPT, limit=4000))
    reader = asyncio.create_task(collect(abandoned))
    await asyncio.sleep(0)  # now it waits for the first token
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    # Events arrive in order: after this answer the other's end has arrived too, if there was one.
    await collect(engine.submit(request(*PROMPT, limit=1)))
    assert abandoned.outcome == Outcome(FinishReason.CANCELLED)


async def test_time_limit_ends_a_request(engine: EngineSupervisor) -> None:
    generation = engine.submit(request(*PROMPT, limit=4000, time_limit_seconds=0.2))
    ids, outcome = await collect(generation)
    assert 0 < len(ids) < 4000
    assert outcome == Outcome(FinishReason.TIMEOUT)


async def test_many_requests_at_once_all_get_their_own_answer(engine: EngineSupervisor) -> None:
    alone = [(await collect(engine.submit(request(1, 100 + n, 7))))[0] for n in range(6)]
    together = await asyncio.gather(*(collect(engine.submit(request(1, 100 + n, 7))) for n in range(6)))
    assert together == [(ids, LENGTH) for ids in alone]
    assert len({tuple(ids) for ids in alone}) == 6


async def test_a_seed_repeats_a_random_answer(engine: EngineSupervisor) -> None:
    async def answer(seed: int) -> list[int]:
        sampling = Sampling(temperature=1.0, top_p=0.95, top_k=50, seed=seed)
        return (await collect(engine.submit(request(*PROMPT, sampling=sampling))))[0]

    first, second, other = await asyncio.gather(answer(1), answer(1), answer(2))
    assert first == second
    assert first != other


async def test_a_penalty_counts_the_answer_and_not_the_prompt(engine: EngineSupervisor, options: EngineOptions) -> None:
    # Far below 1, it is a reward that decides alone: what counts comes next.
    rewarding = Sampling(repetition_penalty=0.01)
    [first], _ = await collect(engine.submit(request(*PROMPT, limit=1)))
    assert first not in PROMPT
    ids, _ = await collect(engine.submit(request(*PROMPT, limit=3, sampling=rewarding)))
    resumed, _ = await collect(engine.submit(request(*PROMPT, first, limit=2, sampling=rewarding, resumed_tokens=1)))
    if options.engine == "genai":
        assert set(ids) <= set(PROMPT), "openvino-genai counts the prompt"
    else:
        assert ids == [first] * 3
        assert resumed == [first] * 2


async def test_the_answer_ends_with_the_context(engine: EngineSupervisor) -> None:
    ids, outcome = await collect(engine.submit(request(*[9] * 4090)))
    assert len(ids) == 6
    assert outcome == LENGTH


@pytest.mark.parametrize(
    ("bad", "reason", "detail"),
    [
        (request(), FinishReason.FAILED, "the prompt is empty"),
        (request(5, 99_999), FinishReason.FAILED, "token id 99999 is outside the vocabulary of 32064"),
        (request(5, -1), FinishReason.FAILED, "token id -1 is outside the vocabulary of 32064"),
        (request(5, limit=0), FinishReason.FAILED, "max_new_tokens is 0; it must be at least 1"),
        (request(*[5] * 4096), FinishReason.NO_ROOM, "the prompt has 4096 tokens; there is room for 4096"),
        (request(5, sampling=Sampling(1.0, top_p=0.0)), FinishReason.FAILED, "sampling settings are out of range"),
    ],
)
async def test_a_bad_request_fails_alone(
    engine: EngineSupervisor, bad: object, reason: FinishReason, detail: str
) -> None:
    neighbour = engine.submit(request(*PROMPT, limit=300))
    refused = engine.submit(bad)  # type: ignore[arg-type]
    ids, outcome = await collect(refused)
    assert ids == []
    assert outcome.reason is reason
    assert detail in outcome.detail
    ids, outcome = await collect(neighbour)
    assert len(ids) == 300
    assert outcome == LENGTH


async def test_facts_name_the_engine_and_the_device(engine: EngineSupervisor, options: EngineOptions) -> None:
    facts = engine.facts
    assert facts is not None
    names = {"paged": "openvino 2026.", "genai": "openvino-genai 2026.", "optimum": "optimum-intel 2."}
    assert facts.engine.startswith(names[options.engine])
    assert facts.device == "CPU"
    assert len(facts.device_name) > 3
    assert facts.precision == "f32"
    assert 0 < facts.load_seconds < 120
    assert psutil.Process(facts.process_id).is_running()


async def test_greedy_answers_agree_with_a_fresh_genai_engine(
    engine: EngineSupervisor, prompts: list[list[int]], fresh_genai_answers: list[list[int]]
) -> None:
    answers = await answers_of(engine, prompts)
    equal = sum(left == right for left, right in zip(answers, fresh_genai_answers, strict=True))
    assert equal >= 11, f"only {equal} of 12 answers are equal"


async def test_a_crashed_engine_restarts_and_resumes_its_requests(engine: EngineSupervisor) -> None:
    expected, _ = await collect(engine.submit(request(*PROMPT, limit=120)))
    restarts = engine.restarts
    assert engine.facts is not None
    child = psutil.Process(engine.facts.process_id)

    ids, outcome = await collect(engine.submit(request(*PROMPT, limit=120)), kill_after(10, child.pid))
    assert ids == expected
    assert outcome == LENGTH
    assert engine.restarts == restarts + 1
    assert not child.is_running()
