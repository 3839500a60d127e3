"""Each request says whose words its prompt holds, and which erasures the conversation had gone through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.answering.service import AnswerService
from bot.conversation.erasures import Erasures
from bot.conversation.turn import Question, Quote, Turn
from bot.engine.interface import EngineFacts, GenerationRequest, Source
from bot.prompting.prompt import PromptBuilder
from bot.storage.conversation_store import DatabaseConversationStore
from tests.answering.answers import make_answering, run
from tests.answering.prefilling import prefilling, until
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import HERE, Memory, ask, person

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUOTE = Quote(7, person("Linus"), "Linus", "Fish fly.")


class CachingEngine(ScriptedEngine):
    """A scripted engine with a KV cache."""

    @property
    def facts(self) -> EngineFacts:
        return replace(super().facts, cache_tokens=4096)


@pytest.fixture
def engine() -> CachingEngine:
    return CachingEngine((300, 301))


@pytest.fixture
def answering(engine: CachingEngine, chatml: PromptBuilder, memory: Memory) -> AnswerService:
    return make_answering(engine, chatml, memory)


async def prefilled(answering: AnswerService, engine: CachingEngine) -> GenerationRequest:
    """The next request that prefill-ahead makes."""
    before = len(engine.requests)
    async with prefilling(answering):
        await until(lambda: len(engine.requests) > before)
    return engine.requests[before]


def without_start(sources: Sequence[Source]) -> list[Source]:
    return [replace(each, start=0) for each in sources]


async def asked_twice(answering: AnswerService) -> tuple[Question, Question]:
    """Two questions, the second with a quote."""
    questions = ask("Do fish swim?"), ask("Is that so?", "Grace", quotes=[QUOTE])
    for each in questions:
        await run(answering.ask(each))
    return questions


async def test_an_answer_and_a_prefill_say_whose_words_they_read(
    answering: AnswerService, engine: CachingEngine, chatml: PromptBuilder, memory: Memory
) -> None:
    first, second = await asked_twice(answering)
    expected = [
        Source(0, first.id, person("Ada"), HERE.channel_id),
        Source(0, second.id, person("Grace"), HERE.channel_id),
        Source(0, QUOTE.message_id, QUOTE.author_id, HERE.channel_id),
    ]
    sources = engine.requests[-1].sources
    assert without_start(sources) == expected

    request = await prefilled(make_answering(engine, chatml, memory), engine)

    assert request.prefill_only
    assert request.sources == sources


async def test_the_message_that_a_thread_grew_from_is_a_source(answering: AnswerService, engine: CachingEngine) -> None:
    async def thread_starter() -> Quote:
        return QUOTE

    question = replace(ask("Is that so?"), thread_starter=thread_starter)
    await run(answering.ask(question))
    assert [each.message_id for each in engine.requests[-1].sources] == [question.id, QUOTE.message_id]


async def test_an_erasure_while_the_conversation_is_read_counts_as_later(
    answering: AnswerService,
    engine: CachingEngine,
    chatml: PromptBuilder,
    memory: Memory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await asked_twice(answering)
    erasures = 1
    read_branch = DatabaseConversationStore.branch

    async def erase_and_read(store: DatabaseConversationStore, tip_id: int) -> Sequence[Turn]:
        nonlocal erasures
        branch = await read_branch(store, tip_id)
        erasures += 1
        return branch

    monkeypatch.setattr(DatabaseConversationStore, "branch", erase_and_read)
    monkeypatch.setattr(Erasures, "latest", property(lambda _: erasures, lambda *_: None), raising=False)

    request = await prefilled(make_answering(engine, chatml, memory), engine)
    assert (request.erasures, erasures) == (1, 2)
    await run(make_answering(engine, chatml, memory).ask(ask("And now?")))
    assert (engine.requests[-1].erasures, erasures) == (2, 3)


async def test_each_answer_names_its_conversation(answering: AnswerService, engine: CachingEngine) -> None:
    here, there = ask("Do fish swim?"), ask("Do birds fly?", key=replace(HERE, channel_id=HERE.channel_id + 1))
    for each in (here, there):
        await run(answering.ask(each))
    assert [request.conversation for request in engine.requests] == [here.key.text, there.key.text]
    assert here.key.text != there.key.text
