"""Every kind of server answers with the same text, and gets what it needs to answer as our own engines do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.interface import FinishReason, GenerationRequest, Outcome, Sampling
from bot.engine.protocol import Ended
from bot.engine.worker.remote.loading import load_remote
from bot.prompting.exact_text import ExactText
from tests.completion_server import ANSWER, DIALECTS, DialectName, serving
from tests.engine.conftest import collect
from tests.engine.worker.remote.conftest import engine_of, options_for

STOP = Outcome(FinishReason.STOP)
LENGTH = Outcome(FinishReason.LENGTH)


def text_of(text: ExactText, ids: list[int]) -> str:
    return b"".join(map(text.bytes_of, ids)).decode()


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_answers_have_ids_and_end_at_their_stop_token(
    folder: Path, text: ExactText, asked: GenerationRequest, dialect: DialectName
) -> None:
    async with serving(folder, dialect) as server, engine_of(options_for(folder, server)) as engine:
        assert engine.facts is not None
        name = {"vllm": "vLLM", "llama.cpp": "llama.cpp", "text": "text only"}[dialect]
        assert (engine.facts.engine, engine.facts.device) == (
            f"openai ({name}) phi",
            server.url.removeprefix("http://"),
        )
        assert (engine.facts.context_tokens, engine.facts.is_remote) == (2000, True)

        ids, outcome = await collect(engine.submit(asked))
        assert (text_of(text, ids), outcome) == (ANSWER, STOP)
        assert asked.stop_ids.isdisjoint(ids)
        assert ids == text.encode(ANSWER)
        short, outcome = await collect(engine.submit(replace(asked, max_new_tokens=7)))
        assert outcome == LENGTH
        assert ANSWER.startswith(text_of(text, short))
        nothing, outcome = await collect(engine.submit(replace(asked, max_new_tokens=0, prefill_only=True)))
        assert (nothing, outcome) == ([], LENGTH)
        assert [body["max_tokens"] for body in server.requests[-3:]] == [1900, 7, 1]
        assert all(body["prompt"] == list(asked.prompt_ids) for body in server.requests[-3:])


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("vllm", {"top_k": 40, "min_p": 0.0, "repetition_penalty": 1.1, "ignore_eos": False, "return_token_ids": True}),
        ("llama.cpp", {"top_k": 40, "min_p": 0.0, "repeat_penalty": 1.1, "logprobs": 1, "cache_prompt": True}),
        ("text", {"stop": ["<|end|>", "<|endoftext|>"]}),
    ],
)
async def test_sampling_reaches_the_server(
    folder: Path, asked: GenerationRequest, dialect: DialectName, expected: dict[str, object]
) -> None:
    sampling = Sampling(temperature=0.7, top_p=0.9, top_k=40, repetition_penalty=1.1, seed=11)
    async with serving(folder, dialect) as server, engine_of(options_for(folder, server)) as engine:
        await collect(engine.submit(replace(asked, sampling=sampling, max_new_tokens=5)))
        sent = server.requests[-1]
        shared = {"model": "phi", "max_tokens": 5, "stream": True, "temperature": 0.7, "top_p": 0.9, "seed": 11}
        assert sent.items() >= (shared | expected).items()
        if dialect == "vllm":
            assert sent["stop_token_ids"] == sorted(asked.stop_ids)


async def test_a_stop_token_that_the_server_ignores_ends_the_answer_and_its_stream(
    folder: Path, text: ExactText, asked: GenerationRequest
) -> None:
    [first] = text.encode(" 1")[-1:]
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults.hold_after = 150
        ids, outcome = await collect(engine.submit(replace(asked, stop_ids=frozenset({first}))))
        assert (ids, outcome) == (text.encode(ANSWER)[: len(ids)], STOP)
        assert text.encode(ANSWER)[len(ids)] == first
        await server.closed.wait()


async def test_a_cancelled_answer_closes_its_stream(folder: Path, asked: GenerationRequest) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults.hold_after = 5
        generation = engine.submit(asked)
        ids, outcome = await collect(generation, lambda ids: generation.cancel() if len(ids) >= 5 else None)
        assert (len(ids), outcome) == (5, Outcome(FinishReason.CANCELLED))
        await server.closed.wait()


async def test_a_time_limit_ends_an_answer_of_a_slow_server(folder: Path, asked: GenerationRequest) -> None:
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        server.faults.hold_after = 5
        ids, outcome = await collect(engine.submit(replace(asked, time_limit_seconds=0.5)))
        assert (len(ids), outcome) == (5, Outcome(FinishReason.TIMEOUT))
        await server.closed.wait()


async def test_every_answer_gives_its_connection_back(folder: Path, asked: GenerationRequest) -> None:
    async with serving(folder) as server:
        server.answer = " one two three four"
        engine = await asyncio.to_thread(load_remote, options_for(folder, server, max_batch=1), lambda _: None)
        for request_id in range(12):
            engine.backend.add(request_id, replace(asked, max_new_tokens=3))
        async with asyncio.timeout(20):
            while not any(isinstance(event, Ended) and event.request_id == 11 for event in engine.events):
                await asyncio.to_thread(engine.backend.step, lambda: None)
        assert len(server.answers) == 12
