"""Servers fail in every way; answers are finished elsewhere, or end with one clear line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.interface import FinishReason, GenerationRequest, Outcome
from bot.engine.supervisor import restarter
from bot.engine.supervisor.job import MAX_CRASHES
from bot.prompting.exact_text import ExactText
from tests.completion_server import ANSWER, CompletionServer, DialectName, Faults, serving
from tests.engine.conftest import collect, kill_after
from tests.engine.worker.remote.conftest import engine_of, options_for
from tests.engine.worker.remote.test_answers import STOP, text_of

BREAKS = [
    Faults(die_after=20),
    Faults(hang_after=20),
    Faults(garbage_after=20),
    Faults(error_after=20),
    Faults(end_after=20),
    Faults(status=500, error="out of memory"),
    Faults(status=503, error="Loading model"),
]


async def first_asked(engine_ids: list[CompletionServer]) -> tuple[CompletionServer, CompletionServer]:
    """Return the server that got the question, and the other one."""
    [first] = [server for server in engine_ids if server.answers]
    [other] = [server for server in engine_ids if server is not first]
    return first, other


@pytest.mark.parametrize(
    "faults", BREAKS, ids=lambda faults: next(name for name, value in vars(faults).items() if value)
)
async def test_an_answer_is_finished_by_another_server(
    folder: Path, text: ExactText, asked: GenerationRequest, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(folder) as one, serving(folder) as two, engine_of(options_for(folder, one, two)) as engine:
        await collect(engine.submit(replace(asked, max_new_tokens=5)))
        first, other = await first_asked([one, two])
        first.faults = faults
        ids, outcome = await collect(engine.submit(replace(asked, message_id=7)))
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert len(other.answers) == 1
        delivered = 0 if faults.status else 20
        assert other.answers[0]["prompt"] == [*asked.prompt_ids, *ids[:delivered]]
        assert f"Server left out: {first.url} " in caplog.text
        assert f"Answer interrupted, it goes on as soon as a server is there: reason={first.url} " in caplog.text
        taken = [line for line in caplog.messages if line.startswith("Engine takes a request")]
        assert [line.endswith("requests=0") for line in taken] == [True, True]
        assert engine.restarts == 0


# Both ways in which ids come back; the third server combines them.
@pytest.mark.parametrize("dialect", ["vllm", "text", pytest.param("llama.cpp", marks=pytest.mark.long)])
async def test_a_server_that_dies_and_returns_finishes_its_answer(
    folder: Path, text: ExactText, asked: GenerationRequest, dialect: DialectName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2))
    async with serving(folder, dialect) as server, engine_of(options_for(folder, server)) as engine:
        server.faults.hold_after = 20
        died = False

        def die(_: list[int]) -> None:
            nonlocal died
            if not died:
                died = True
                dying.append(asyncio.ensure_future(restart()))

        async def restart() -> None:
            await server.stop()
            server.faults = Faults()
            await server.start()

        dying: list[asyncio.Future[None]] = []
        ids, outcome = await collect(engine.submit(asked), die)
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert engine.restarts == 1
        await asyncio.gather(*dying)


async def test_a_killed_worker_asks_the_same_server_to_go_on(
    folder: Path, text: ExactText, asked: GenerationRequest
) -> None:
    async with serving(folder) as one, serving(folder) as two, engine_of(options_for(folder, one, two)) as engine:
        one.faults.hold_after = two.faults.hold_after = 20
        assert engine.facts is not None
        kill = kill_after(20, engine.facts.process_id)
        first: list[CompletionServer] = []

        def on_ids(ids: list[int]) -> None:
            first[:] = first or [server for server in (one, two) if server.answers]
            one.faults.hold_after = two.faults.hold_after = None
            kill(ids)

        ids, outcome = await collect(engine.submit(asked), on_ids)
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert engine.restarts == 1
        assert len(first[0].answers) == 2, "the conversation is in its cache"


async def test_a_lost_server_is_taken_in_again(
    folder: Path, asked: GenerationRequest, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(folder) as one, serving(folder) as two, engine_of(options_for(folder, one, two)) as engine:
        short = replace(asked, max_new_tokens=5)
        await collect(engine.submit(short))
        first, other = await first_asked([one, two])
        await first.stop()
        _, outcome = await collect(engine.submit(short))
        assert outcome.reason is FinishReason.LENGTH
        assert len(other.answers) == 1
        await first.start()
        async with asyncio.timeout(20):
            while f"Server is back: {first.url}" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.02)
        await collect(engine.submit(short))
        assert len(first.answers) == 2


async def test_without_any_server_questions_fail_with_the_way_out_and_the_next_one_tries_again(
    folder: Path, text: ExactText, asked: GenerationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.1))
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        await server.stop()
        _, outcome = await collect(engine.submit(asked))
        assert outcome.reason is FinishReason.FAILED
        assert f"no server can be used: {server.url} cannot be reached" in outcome.detail
        assert "start it, or correct ENGINE_URL" in outcome.detail
        await server.start()
        ids, outcome = await collect(engine.submit(asked))
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)


async def test_one_failure_of_the_only_server_leaves_its_other_answers_alone(
    folder: Path, text: ExactText, asked: GenerationRequest
) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults.hold_after = 20
        streams = asyncio.Event()
        streaming = asyncio.create_task(
            collect(engine.submit(asked), lambda ids: streams.set() if len(ids) >= 20 else None)
        )
        await streams.wait()
        held, server.faults = server.faults, Faults(status=500, error="out of memory")
        failing = asyncio.create_task(collect(engine.submit(replace(asked, conversation="2 0"))))
        async with asyncio.timeout(20):
            while len(server.answers) < 2:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
        server.faults = Faults()
        ids, outcome = await failing
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        held.released.set()
        ids, outcome = await streaming
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert engine.restarts == 0


async def test_a_prompt_that_kills_servers_ends_alone(
    folder: Path, text: ExactText, asked: GenerationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0,) * 9)
    async with serving(folder) as one, serving(folder) as two, engine_of(options_for(folder, one, two)) as engine:
        poison = asked.prompt_ids[0] + 1
        one.poison = two.poison = poison
        good = engine.submit(asked)
        _, outcome = await collect(engine.submit(replace(asked, prompt_ids=(poison, *asked.prompt_ids))))
        assert outcome.reason is FinishReason.FAILED
        assert outcome.detail == "the request crashes the engine each time"
        assert len([body for body in one.answers + two.answers if poison in body["prompt"]]) == MAX_CRASHES
        ids, outcome = await collect(good)
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)


REFUSALS = [
    (
        Faults(status=400, error="This model's maximum context length is 10 tokens. However, you requested 20."),
        FinishReason.NO_ROOM,
        "refuses the request (400: This model's maximum context length is 10 tokens. However,",
    ),
    (Faults(status=400, error="top_k must be below 3"), FinishReason.FAILED, "(400: top_k must be below 3)"),
    (Faults(status=422, error="wrong input: ['hunter2', 1]"), FinishReason.FAILED, "(422: wrong input)"),
]


async def test_a_refused_request_ends_alone(folder: Path, asked: GenerationRequest) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        for faults, reason, said in REFUSALS:
            server.faults = faults
            ids, outcome = await collect(engine.submit(asked))
            assert (ids, outcome.reason) == ([], reason)
            assert said in outcome.detail
            assert "hunter2" not in outcome.detail
        server.faults = Faults()
        assert (await collect(engine.submit(asked)))[1] == STOP
        assert engine.restarts == 0


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again(
    folder: Path, asked: GenerationRequest, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults = Faults(status=status, headers={"Retry-After": "0.2"})
        generation = engine.submit(asked)
        async with asyncio.timeout(20):
            while len(server.answers) < 2:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0.02)
        server.faults = Faults()
        assert (await collect(generation))[1] == STOP
        assert engine.restarts == 0
        assert f"Server busy: server={server.url} seconds=0.2" in caplog.messages
        assert "Server left out" not in caplog.text


async def test_an_answer_goes_on_after_its_server_was_busy_in_the_middle(
    folder: Path, text: ExactText, asked: GenerationRequest
) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults = Faults(error_after=20, error_code=429)

        def recover(ids: list[int]) -> None:
            if len(ids) >= 20:
                server.faults = Faults()

        ids, outcome = await collect(engine.submit(asked), recover)
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert server.answers[-1]["prompt"] == [*asked.prompt_ids, *ids[:20]]
        assert engine.restarts == 0


def unauthorized(server: CompletionServer) -> None:
    server.key = "another"


def moved(server: CompletionServer) -> None:
    server.faults = Faults(status=404)


@pytest.mark.parametrize(("change", "way_out"), [(unauthorized, "ENGINE_KEY"), (moved, "ENGINE_MODEL")])
async def test_a_server_that_refuses_all_is_left_out(
    folder: Path,
    asked: GenerationRequest,
    change: Callable[[CompletionServer], None],
    way_out: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(folder) as one, serving(folder) as two, engine_of(options_for(folder, one, two)) as engine:
        await collect(engine.submit(replace(asked, max_new_tokens=5)))
        first, _ = await first_asked([one, two])
        change(first)
        assert (await collect(engine.submit(asked)))[1] == STOP
        [line] = [line for line in caplog.messages if line.startswith("Server left out")]
        assert way_out in line


@pytest.mark.parametrize("has_other_tokenizer", [False, True])
async def test_a_server_that_runs_another_model_now_is_asked_anew(
    folder: Path, asked: GenerationRequest, has_other_tokenizer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.1))
    async with serving(folder, "llama.cpp") as server, engine_of(options_for(folder, server)) as engine:
        assert (await collect(engine.submit(asked)))[1] == STOP
        server.models, server.other_tokenizer = ["llama"], has_other_tokenizer
        ids, outcome = await collect(engine.submit(asked))
        if has_other_tokenizer:
            assert ids == []
            assert "has another tokenizer than MODEL_DIR; set MODEL_DIR to the folder of the model" in outcome.detail
        else:
            assert outcome == STOP
            assert engine.facts is not None
            assert engine.facts.engine == "openai (llama.cpp) llama"


async def test_a_server_that_reads_for_long_is_not_lost(folder: Path, asked: GenerationRequest) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server, hang_seconds=1.0)) as engine:
        server.faults.hold_after = 0
        generation, before = engine.submit(asked), len(server.keys)
        async with asyncio.timeout(20):
            while len(server.keys) < before + 3:  # noqa: ASYNC110 - it is asked twice whether it is alive
                await asyncio.sleep(0.02)
        server.faults.released.set()
        assert (await collect(generation))[1] == STOP
        assert engine.restarts == 0
        assert generation.outcome != Outcome(FinishReason.FAILED)
