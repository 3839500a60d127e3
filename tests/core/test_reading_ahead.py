"""Conversations read into a real engine's cache before anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.core.answering import Answering, Question
from bot.core.conversation import Budget, Conversation, Conversations
from bot.core.prompt import Message, PromptBuilder
from bot.core.reading_ahead import ReadingAhead
from bot.core.served_model import ServedModel
from bot.core.waiting_line import WaitingLine
from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, Generation, GenerationRequest, Sampling
from bot.engine.process import EngineProcess
from bot.model.folder import open_model_folder
from bot.numbers import Numbers

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOOK_SECONDS = 0.02
LONG = 500
"""Words of a history that takes the engine a while to read."""


class NotingEngine:
    """A real engine, and a note of what it was given to read ahead."""

    def __init__(self, engine: EngineProcess, numbers: Numbers) -> None:
        self._engine = engine
        self.numbers = numbers
        self.ahead: list[tuple[tuple[int, ...], Generation]] = []

    @property
    def facts(self) -> EngineFacts | None:
        return self._engine.facts

    @property
    def restarts(self) -> int:
        return self._engine.restarts

    def submit(self, request: GenerationRequest) -> Generation:
        generation = self._engine.submit(request)
        if request.ahead:
            self.ahead.append((request.prompt_ids, generation))
        return generation

    async def close(self) -> None:
        await self._engine.close()

    @property
    def process_id(self) -> int:
        assert self.facts is not None
        return self.facts.process_id

    @property
    def tokens_read(self) -> float:
        """Tokens of all prompts that were not in the cache."""
        tokens, cached = (
            self.numbers.registry.get_sample_value(f"phi3_prompt_tokens{name}_total") for name in ("", "_cached")
        )
        assert tokens is not None
        assert cached is not None
        return tokens - cached


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(small_model_dir: Path) -> AsyncIterator[NotingEngine]:
    """An engine whose cache holds about 1,450 tokens."""
    numbers = Numbers()
    process = EngineProcess(EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.02), numbers)
    await process.start()
    yield NotingEngine(process, numbers)
    await process.close()


@pytest.fixture
def engine(process: NotingEngine) -> NotingEngine:
    process.ahead.clear()
    return process


@pytest.fixture(scope="module")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


def make_answering(engine: NotingEngine, chatml: PromptBuilder, context_length: int = 2048) -> Answering:
    budget = Budget(context_length, max_new_tokens=8)
    model = ServedModel(engine, chatml, budget, Sampling(), time_limit_seconds=120.0)
    line = WaitingLine(most_running=8, most_waiting=8, most_waiting_per_person=4)
    return Answering(model, Conversations(chatml, "Be brief.", budget), line)


def talk(answering: Answering, key: str, words: int = 100) -> Conversation:
    """A turn that no engine has read, as long as no other test has a conversation under this key."""
    conversation = answering.conversations.get(key)
    builder = answering.model.builder
    ids = builder.tokenizer.encode(f"{key}" + " word" * words)
    conversation.remember(Message("user", f"Talk about {key}."), builder.answer(builder.tokenizer.decode(ids), ids))
    return conversation


async def ask(answering: Answering, key: str, text: str = "And now?") -> str:
    answer = answering.ask(Question(key, text))
    async for _ in answer.texts():
        pass
    return answer.text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)


@asynccontextmanager
async def reading(answering: Answering) -> AsyncIterator[ReadingAhead]:
    """Read ahead for as long as the block lasts."""
    reading_ahead = ReadingAhead(answering, LOOK_SECONDS)
    task = asyncio.create_task(reading_ahead.run())
    try:
        yield reading_ahead
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def looks(count: int = 10) -> None:
    """As long as it takes to look so many times for something to read."""
    await asyncio.sleep(count * LOOK_SECONDS)


def outcomes(engine: NotingEngine) -> list[FinishReason]:
    return [generation.outcome.reason for _, generation in engine.ahead if generation.outcome is not None]


async def test_after_a_loss_the_next_question_finds_everything_read(
    engine: NotingEngine, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml)
    await ask(answering, "answered", "Count from one to a hundred.")
    conversations = [answering.conversations.get("answered"), talk(answering, "interrupted", LONG)]
    async with reading(answering):
        await until(lambda: bool(engine.ahead))
        lost = engine.process_id
        psutil.Process(lost).kill()
        await until(lambda: engine.facts is not None and engine.process_id != lost)
        await until(lambda: all(each.cached_by == engine.process_id for each in conversations))

    assert outcomes(engine) == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]
    assert [ids for ids, _ in engine.ahead[1:]] == [each.prefix() for each in reversed(conversations)]
    for key, conversation in zip(("answered", "interrupted"), conversations, strict=True):
        before, known = engine.tokens_read, len(conversation.prefix())
        new = len(conversation.prompt(Message("user", "And now?")).ids) - known
        await ask(answering, key)
        assert engine.tokens_read - before <= new + 1


async def test_where_somebody_types_is_read_first(engine: NotingEngine, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml)
    oldest, middle, latest = (talk(answering, key) for key in ("oldest", "middle", "latest"))
    async with reading(answering) as reading_ahead:
        reading_ahead.expect("oldest")
        await until(lambda: all(each.cached_by == engine.process_id for each in (oldest, middle, latest)))
    assert [ids for ids, _ in engine.ahead] == [each.prefix() for each in (oldest, latest, middle)]


async def test_what_is_being_read_gives_way_to_where_somebody_types(
    engine: NotingEngine, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml)
    expected, long = talk(answering, "expected"), talk(answering, "gives way", LONG)
    async with reading(answering) as reading_ahead:
        await until(lambda: bool(engine.ahead))
        reading_ahead.expect("expected")
        await until(lambda: long.cached_by == engine.process_id)
    assert [ids for ids, _ in engine.ahead] == [each.prefix() for each in (long, expected, long)]
    assert outcomes(engine) == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]


async def test_typing_where_all_is_read_or_being_read_or_nothing_was_said_changes_nothing(
    engine: NotingEngine, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml)
    await ask(answering, "known")
    long = talk(answering, "being read", LONG)
    async with reading(answering) as reading_ahead:
        await until(lambda: bool(engine.ahead))
        for key in ("known", "being read", "nobody was ever here"):
            reading_ahead.expect(key)
        await until(lambda: long.cached_by == engine.process_id)
    assert outcomes(engine) == [FinishReason.LENGTH]
    assert answering.conversations.find("nobody was ever here") is None


async def test_a_question_comes_first_and_what_was_being_read_is_read_later(
    engine: NotingEngine, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml)
    long = talk(answering, "read later", LONG)
    async with reading(answering):
        await until(lambda: bool(engine.ahead))
        assert await ask(answering, "elsewhere")
        assert outcomes(engine)[0] is FinishReason.CANCELLED
        await until(lambda: long.cached_by == engine.process_id)
    assert outcomes(engine)[-1] is FinishReason.LENGTH


async def test_nothing_is_read_while_a_question_waits(engine: NotingEngine, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml)
    talk(answering, "quiet")
    with answering.line.join("busy", "Ada"):
        async with reading(answering):
            await looks()
    assert engine.ahead == []


async def test_what_has_been_read_is_not_read_again(engine: NotingEngine, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml)
    await ask(answering, "answered")
    conversation = talk(answering, "talked")
    async with reading(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
        await looks()
    assert len(engine.ahead) == 1


async def test_a_history_all_but_full_is_trimmed_before_the_question_comes(
    engine: NotingEngine, chatml: PromptBuilder
) -> None:
    answering = make_answering(engine, chatml, context_length=400)
    conversation = talk(answering, "full")
    while not conversation.nearly_full:
        talk(answering, "full", 5)
    await ask(answering, "full")
    assert conversation.cached_by is None
    turns = len(conversation.turns)
    async with reading(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
    kept = len(conversation.turns)
    assert 0 < kept < turns

    before = engine.tokens_read
    await ask(answering, "full")

    assert len(conversation.turns) == kept + 1
    assert engine.tokens_read - before < 20


async def test_no_more_is_read_than_half_the_cache(engine: NotingEngine, chatml: PromptBuilder) -> None:
    answering = make_answering(engine, chatml)
    *older, second, latest = (talk(answering, f"number {number}", 300) for number in range(4))
    async with reading(answering):
        await until(lambda: second.cached_by == engine.process_id)
        await looks()
    assert [ids for ids, _ in engine.ahead] == [latest.prefix(), second.prefix()]
    assert [each.cached_by for each in older] == [None, None]
