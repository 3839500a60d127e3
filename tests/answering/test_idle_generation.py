"""Texts that are generated while nobody waits for an answer."""

from __future__ import annotations

import asyncio

import pytest

from bot.answering.idle_generation import IdleGeneration
from bot.answering.service import AnswerService
from bot.engine.interface import GenerationRequest
from bot.prompting.prompt import Message, PromptBuilder
from tests.answering.answers import Make
from tests.answering.answers import make_answering as make_service
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPT = "Say something."


def scripted(chatml: PromptBuilder, memory: Memory, *texts: str) -> tuple[ScriptedEngine, AnswerService]:
    engine = ScriptedEngine(*(chatml.tokenizer.encode(text) for text in texts))
    return engine, make_service(engine, chatml, memory)


def request_of(answering: AnswerService) -> GenerationRequest:
    prompt = answering.model.builder.build([Message("user", PROMPT)])
    return answering.model.request(prompt.ids)


async def test_a_text_is_generated_by_the_real_engine(make: Make) -> None:
    answering = make()

    async def make_request(_: object) -> GenerationRequest:
        return request_of(answering)

    message = await IdleGeneration(answering).generate(make_request)
    assert message is not None
    assert message.content


async def test_it_waits_for_questions_and_begins_again_after_one(chatml: PromptBuilder, memory: Memory) -> None:
    engine, answering = scripted(chatml, memory, "One two three", "Four five six")
    engine.gates = {1: asyncio.Event()}
    requested = asyncio.Event()

    async def make_request(_: object) -> GenerationRequest:
        requested.set()
        return request_of(answering)

    first = answering.queue.join("channel", "Ada")
    generating = asyncio.create_task(IdleGeneration(answering).generate(make_request))
    await asyncio.sleep(0)
    assert not requested.is_set()
    first.leave()
    await requested.wait()
    for _ in range(10):  # it is in the middle of the first text, which waits at its gate
        await asyncio.sleep(0)
    assert len(engine.requests) == 1
    with answering.queue.join("channel", "Ada"):
        for _ in range(10):
            await asyncio.sleep(0)
        assert not generating.done()
        assert len(engine.requests) == 1
        engine.gates = {}
    message = await generating
    assert message is not None
    assert message.content == "Four five six"
    assert len(engine.requests) == 2


async def test_nothing_is_generated_that_is_not_wanted_any_more(chatml: PromptBuilder, memory: Memory) -> None:
    engine, answering = scripted(chatml, memory, "One")

    async def make_request(_: object) -> None:
        return None

    assert await IdleGeneration(answering).generate(make_request) is None
    assert engine.requests == []
