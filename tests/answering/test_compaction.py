"""What a trim will drop is summarized while nobody asks, and its facts are found again."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from bot.answering.compaction import Compaction
from bot.answering.idle_generation import IdleGeneration
from bot.answering.service import AnswerService
from bot.conversation.turn import Turn
from bot.conversation.wording import SUMMARY_REQUEST
from bot.engine.interface import EngineFacts, Generation, GenerationRequest
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import make_answering as make_service
from tests.answering.answers import prompt_text, run
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import HERE, Memory, answer, ask, person
from tests.conversation.test_conversations_during_outage import outage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FACT = "The code of the safe is 4711."
SUMMARY = "Ada said that the code of the safe is 4711."
CONTEXT = 400
POLL_SECONDS = 0.01


class SummarizingEngine:
    """Writes a summary for whoever asks for one, and answers everything else in one word.

    Attributes:
        requests: those for a summary.
        gate: no summary ends before it is set.
    """

    restarts = 0

    def __init__(self, builder: PromptBuilder, summary: str = SUMMARY) -> None:
        encode = builder.tokenizer.encode
        self._request_ids = encode(SUMMARY_REQUEST.text)
        self._summaries, self._answers = ScriptedEngine(encode(summary)), ScriptedEngine(encode("Yes."))
        self._summaries.context_tokens = self._answers.context_tokens = CONTEXT
        self.gate = asyncio.Event()
        self._summaries.gates = {5: self.gate}

    @property
    def requests(self) -> list[GenerationRequest]:
        return self._summaries.requests

    @property
    def facts(self) -> EngineFacts:
        return self._answers.facts

    def submit(self, request: GenerationRequest) -> Generation:
        asked_last = request.prompt_ids[-len(self._request_ids) - 10 :]
        part = tuple(self._request_ids[2:12])
        is_asked = any(asked_last[at : at + len(part)] == part for at in range(len(asked_last)))
        return (self._summaries if is_asked else self._answers).submit(request)

    async def close(self) -> None:
        pass


@pytest.fixture
def engine(chatml: PromptBuilder) -> SummarizingEngine:
    engine = SummarizingEngine(chatml)
    engine.gate.set()
    return engine


@pytest.fixture
def answering(engine: SummarizingEngine, chatml: PromptBuilder, memory: Memory) -> AnswerService:
    return make_answering(engine, chatml, memory)


def make_answering(engine: SummarizingEngine, chatml: PromptBuilder, memory: Memory) -> AnswerService:
    """A service with nothing in memory yet."""
    return make_service(engine, chatml, memory, context_length=CONTEXT)


@asynccontextmanager
async def compacting(answering: AnswerService) -> AsyncIterator[None]:
    """Summarize for as long as the block lasts."""
    task = asyncio.create_task(Compaction(answering, IdleGeneration(answering), POLL_SECONDS).run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a summary has no event
            await asyncio.sleep(0.001)


async def talk(answering: AnswerService) -> list[int]:
    """Tell the fact, and talk on until a trim is near but not due; return the turns' ids."""
    window, ids = answering.model.window, list[int]()
    for number in itertools.count():
        question = ask(
            FACT if not number else f"Number {number}. " + "word " * 12, "Ada" if number % 2 == 0 else "Grace"
        )
        await answer(answering.conversations, question)
        ids.append(question.id)
        opened = await answering.conversations.peek(HERE)
        if window.summary_prompt(opened.system_prompt, opened.branch) is not None:
            assert not window.is_nearly_full(opened.system_prompt, opened.branch)
            return ids
    raise AssertionError


async def talk_on(answering: AnswerService, turns: int = 6) -> None:
    """Talk until the fact is trimmed."""
    for number in range(turns):
        await run(answering.ask(ask(f"More {number}. " + "word " * 12)))


def summaries(answering: AnswerService) -> list[Turn]:
    conversation = answering.conversations.find(HERE)
    return [] if conversation is None else [turn for turn in conversation.turns.values() if turn.is_summary]


async def test_a_fact_from_the_dropped_part_is_found_again(answering: AnswerService, engine: SummarizingEngine) -> None:
    first, *_ = await talk(answering)
    async with compacting(answering):
        await until(lambda: bool(summaries(answering)))
        assert SUMMARY not in await prompt_text(answering), "the turns themselves are there"
    await talk_on(answering)
    prompt = await prompt_text(answering)
    assert FACT not in prompt
    assert SUMMARY in prompt
    opened = await answering.conversations.peek(HERE)
    [summary] = summaries(answering)
    assert opened.branch[0] == summary
    assert opened.branch[-1].summary_id == summary.id
    fitted = answering.model.window.fit(opened.system_prompt, opened.branch, SUMMARY_REQUEST)
    named = {source.message_id for source in fitted.sources(ask("And?"))}
    assert first in named, "so that the engine's caches can erase it"
    assert {source.message_id for source in engine.requests[0].sources} >= {first}


async def test_it_stays_lost_without_a_summary(answering: AnswerService) -> None:
    await talk(answering)
    await talk_on(answering)
    assert "4711" not in await prompt_text(answering)


async def test_a_later_summary_holds_what_the_earlier_one_did(
    answering: AnswerService, engine: SummarizingEngine
) -> None:
    first, *_ = await talk(answering)
    async with compacting(answering):
        await until(lambda: bool(summaries(answering)))
        while len(engine.requests) == 1:
            await talk_on(answering, 1)
            await asyncio.sleep(5 * POLL_SECONDS)
        await until(lambda: len(summaries(answering)) > 1)
    later = max(summaries(answering), key=lambda each: each.id)
    assert first in {covered.message_id for covered in later.covers}
    assert SUMMARY in answering.model.builder.tokenizer.decode(engine.requests[1].prompt_ids)
    await talk_on(answering)
    assert (await answering.conversations.peek(HERE)).branch[0] == later


async def test_a_question_does_not_wait_for_a_summary(answering: AnswerService, engine: SummarizingEngine) -> None:
    await talk(answering)
    engine.gate.clear()
    async with compacting(answering):
        await until(lambda: len(engine.requests) == 1)
        question = answering.ask(ask("Quick?"))
        assert await run(question)
        assert question.text == "Yes."
        assert summaries(answering) == []
        engine.gate.set()
        await until(lambda: bool(summaries(answering)))
    assert len(engine.requests) == 2, "it was begun again"


async def test_it_is_given_up_once_its_turns_are_trimmed(answering: AnswerService, engine: SummarizingEngine) -> None:
    await talk(answering)
    engine.gate.clear()
    async with compacting(answering):
        await until(lambda: len(engine.requests) == 1)
        with answering.queue.join("elsewhere", "Alan"):  # the summary has to wait until the trim
            await talk_on(answering)
        engine.gate.set()
        await asyncio.sleep(5 * POLL_SECONDS)
    assert "4711" not in await prompt_text(answering)
    decode = answering.model.builder.tokenizer.decode
    assert not any("4711" in decode(request.prompt_ids) for request in engine.requests[1:])


async def test_a_change_during_a_summary_makes_another_one(answering: AnswerService, engine: SummarizingEngine) -> None:
    first, *_ = await talk(answering)
    engine.gate.clear()
    decode = answering.model.builder.tokenizer.decode
    async with compacting(answering):
        await until(lambda: len(engine.requests) == 1)
        await answering.conversations.edit(first, "The code is 1234. Nothing else is secret.", [])
        engine.gate.set()
        await until(lambda: bool(summaries(answering)))
    assert len(engine.requests) == 2
    assert "4711" in decode(engine.requests[0].prompt_ids)
    assert "4711" not in decode(engine.requests[1].prompt_ids)


async def test_forgetting_during_a_summary_leaves_none(
    answering: AnswerService, engine: SummarizingEngine, memory: Memory
) -> None:
    await talk(answering)
    engine.gate.clear()
    async with compacting(answering):
        await until(lambda: len(engine.requests) == 1)
        await answering.conversations.forget(person("Ada"), None)
        engine.gate.set()
        await asyncio.sleep(5 * POLL_SECONDS)
        assert summaries(answering) == []
    assert b"4711" not in memory.file.read_bytes()


async def test_a_restart_in_the_middle_loses_it_silently_and_makes_it_again(
    answering: AnswerService, engine: SummarizingEngine, chatml: PromptBuilder, memory: Memory
) -> None:
    await talk(answering)
    engine.gate.clear()
    async with compacting(answering):
        await until(lambda: len(engine.requests) == 1)
    assert SUMMARY.encode() not in memory.file.read_bytes()
    engine.gate.set()
    restarted = make_answering(engine, chatml, memory)
    async with compacting(restarted):
        await until(lambda: bool(summaries(restarted)))
    again = make_answering(engine, chatml, memory)
    await talk_on(again)
    assert SUMMARY in await prompt_text(again), "the store has it"


async def test_what_the_engine_cannot_summarize_is_left_alone(
    answering: AnswerService, engine: SummarizingEngine
) -> None:
    await talk(answering)
    engine._summaries.fails_after = 2
    async with compacting(answering):
        await until(lambda: bool(engine.requests))
        await asyncio.sleep(10 * POLL_SECONDS)
    assert len(engine.requests) == 1
    assert summaries(answering) == []


async def test_members_are_answered_side_by_side_after_a_trim(answering: AnswerService) -> None:
    await talk(answering)
    async with compacting(answering):
        await until(lambda: bool(summaries(answering)))
    await talk_on(answering, 3)
    answers = [answering.ask(ask(f"What does {name} want? " + "word " * 12, name)) for name in ("Ada", "Grace", "Alan")]
    await asyncio.gather(*(run(each) for each in answers))
    opened = await answering.conversations.peek(HERE)
    [summary] = summaries(answering)
    assert opened.branch[0] == summary
    asked_last = {turn.asked.author_name for turn in opened.branch[-3:] if turn.asked is not None}
    assert asked_last == {"Ada", "Grace", "Alan"}
    assert SUMMARY in await prompt_text(answering)


async def test_an_outage_of_the_database_does_not_fill_the_log(
    answering: AnswerService, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    async with outage(memory):
        await run(answering.ask(ask("Hello")))
        caplog.clear()
        async with compacting(answering):
            await asyncio.sleep(30 * POLL_SECONDS)
        assert len(caplog.records) <= 3
