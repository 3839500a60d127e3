"""A question's id is in the engine's lines, of both processes, and what a request took is added up over its workers."""

from __future__ import annotations

import logging
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.supervisor.worker_log import log_again
from bot.engine.worker.log_forwarding import logged
from bot.log_context import about_question
from tests.cli.test_log import log_at
from tests.engine.conftest import collect, kill_after, request
from tests.inference_precision import EXACT

PROMPT = tuple(range(100, 180))
QUESTION = 1234567


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tiny_model: Path) -> AsyncIterator[EngineSupervisor]:
    options = EngineOptions("paged", tiny_model, properties=EXACT, cache_gigabytes=0.1, draft_tokens=4)
    engine = EngineSupervisor(options)
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_both_processes_name_the_question(engine: EngineSupervisor) -> None:
    with log_at("INFO") as log, about_question(QUESTION):
        await collect(engine.submit(request(*PROMPT, limit=4, message_id=QUESTION)))
    lines = log.getvalue()
    assert f"bot.engine.worker.main: Engine takes a request: tokens=80 requests=0 message_id={QUESTION}\n" in lines
    assert f"Prefill begins: message_id={QUESTION} read_tokens=" in lines
    assert all(
        line.endswith(f"message_id={QUESTION}") or f"message_id={QUESTION} " in line for line in lines.splitlines()
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_what_answers_no_question_leaves_no_line(engine: EngineSupervisor) -> None:
    with log_at("INFO") as log:
        await collect(engine.submit(request(*PROMPT, limit=4)))
    assert log.getvalue() == ""


@pytest.mark.asyncio(loop_scope="module")
async def test_usage_counts_what_was_read_and_found(engine: EngineSupervisor) -> None:
    first = engine.submit(request(*range(300, 400), limit=8))
    await collect(first)
    second = engine.submit(request(*range(300, 400), limit=8))
    await collect(second)
    assert (first.usage.read_tokens, first.usage.cached_tokens) == (100, 0)
    # The last token of a prompt is always computed.
    assert (second.usage.read_tokens, second.usage.cached_tokens) == (1, 99)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_resumed_request_says_so_and_adds_up(engine: EngineSupervisor) -> None:
    facts = engine.facts
    assert facts is not None
    prompt = range(500, 564)
    with log_at("INFO") as log:
        generation = engine.submit(request(*prompt, limit=1500, message_id=QUESTION))
        _, outcome = await collect(generation, kill_after(20, facts.process_id))
        new = engine.facts
    assert outcome.reason is FinishReason.LENGTH
    assert new is not None
    assert new.process_id != facts.process_id
    assert f"Request resumes after the crash: message_id={QUESTION} tokens=" in log.getvalue()
    assert log.getvalue().count(f"Prefill begins: message_id={QUESTION} ") == 2
    restarting = next(line for line in log.getvalue().splitlines() if "restarting it" in line)
    assert "message_id" not in restarting, "it is about all requests"
    assert generation.usage.read_tokens is not None
    assert generation.usage.read_tokens > len(prompt) * 2, "the second worker reads what the first one generated, too"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_engine_that_a_question_starts_belongs_to_no_question(tiny_model: Path) -> None:
    engine = EngineSupervisor(EngineOptions("paged", tiny_model, properties=EXACT, cache_gigabytes=0.1))
    with log_at("INFO") as log:
        with about_question(QUESTION):
            generation = engine.submit(request(*PROMPT, limit=500))
        async for _ in generation:
            assert engine.facts is not None
            psutil.Process(engine.facts.process_id).kill()
            break
        await collect(engine.submit(request(*PROMPT, limit=2)))
        await engine.close()
    assert "engine crashed, restarting it" in log.getvalue()
    assert str(QUESTION) not in log.getvalue()


def test_a_workers_record_crosses_the_pipe_whatever_it_holds() -> None:
    def fail() -> None:
        raise ValueError("the cause")

    lines = []
    with log_at("INFO") as log:
        for template, arguments in {"Slow: path=%s tokens=%d": ("x", 5), "Odd: what=%r": (open,), "100%": ()}.items():
            record = logging.LogRecord("bot.engine.worker.x", logging.WARNING, "", 0, template, arguments, None)
            lines.append(logged(record, QUESTION))
        try:
            fail()
        except ValueError as error:
            info = type(error), error, error.__traceback__
            lines.append(logged(logging.LogRecord("optimum", logging.ERROR, "", 0, "Failed", (), info)))
        lines.append(logged(logging.LogRecord("bot.engine.worker.x", logging.DEBUG, "", 0, "Hidden", (), None)))
        for line in lines:
            log_again(pickle.loads(pickle.dumps(line)))
    shown = log.getvalue()
    assert f"WARNING bot.engine.worker.x: Slow: path=x tokens=5 message_id={QUESTION}\n" in shown
    assert f"Odd: what=<built-in function open> message_id={QUESTION}\n" in shown
    assert f"100% message_id={QUESTION}\n" in shown
    assert "ERROR optimum: Failed\n    Traceback" in shown
    assert "    ValueError: the cause\n" in shown
    assert "Hidden" not in shown
