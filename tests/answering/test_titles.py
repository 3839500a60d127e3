"""Titles of conversations, written while nobody waits for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.answering.idle_generation import IdleGeneration
from bot.answering.service import AnswerService
from bot.answering.titles import Titles
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import make_answering, run
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import HERE, Memory, ask, person

pytestmark = pytest.mark.asyncio(loop_scope="session")

TITLE = "Capitals of Europe"


async def asked(chatml: PromptBuilder, memory: Memory) -> tuple[ScriptedEngine, AnswerService, Titles, int]:
    """A conversation of one question, whose id is the last of these."""
    engine = ScriptedEngine(*(chatml.tokenizer.encode(text) for text in ("Paris.", TITLE, TITLE)))
    answering = make_answering(engine, chatml, memory)
    question = ask("What is the capital of France?", "Ada")
    with answering.admit(HERE, person("Ada")) as pending:
        await run(pending.ask(question))
    return engine, answering, Titles(answering, IdleGeneration(answering)), question.id


async def test_a_title_is_asked_for_after_the_conversation_and_is_not_remembered(
    chatml: PromptBuilder, memory: Memory
) -> None:
    engine, answering, titles, question = await asked(chatml, memory)
    before = await answering.conversations.peek(HERE)
    assert await titles.title_of(HERE) == TITLE
    assert (await answering.conversations.peek(HERE)).branch == before.branch
    first, second = engine.requests
    assert second.prompt_ids[: len(first.prompt_ids)] == first.prompt_ids, "the engine has it in its cache"
    assert second.max_new_tokens == 32
    assert any(source.message_id == question for source in second.sources)


FORGETTING: dict[str, Callable[[AnswerService, int], Awaitable[object]]] = {
    "deleted": lambda answering, question: answering.conversations.erase([question]),
    "forgotten": lambda answering, _: answering.conversations.forget(person("Ada"), None),
    "edited": lambda answering, question: answering.conversations.edit(question, "Something else", []),
}


@pytest.mark.parametrize("name", FORGETTING)
async def test_a_title_of_what_is_gone_meanwhile_is_not_used(chatml: PromptBuilder, memory: Memory, name: str) -> None:
    engine, answering, titles, question = await asked(chatml, memory)
    gate = asyncio.Event()
    engine.gates = {1: gate}
    writing = asyncio.create_task(titles.title_of(HERE))
    while len(engine.requests) < 2:  # noqa: ASYNC110 - the engine has no event for it
        await asyncio.sleep(0.001)
    await FORGETTING[name](answering, question)
    gate.set()
    assert await writing == ""


async def test_nothing_is_left_to_write_a_title_for(chatml: PromptBuilder, memory: Memory) -> None:
    engine, answering, titles, question = await asked(chatml, memory)
    await answering.conversations.erase([question])
    assert await titles.title_of(HERE) == ""
    assert len(engine.requests) == 1
