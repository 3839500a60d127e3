"""Conversations read into a real engine's cache before anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.conversation.tree import Conversation
from bot.conversation.turn import ConversationKey
from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, Generation, GenerationRequest, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.folder import open_model_folder
from bot.prompting.prompt import PromptBuilder
from tests.conversation.memory import DONE, SYSTEM, Memory, ask, asked, open_memory, person, seen

pytestmark = pytest.mark.asyncio(loop_scope="module")

Make = Callable[..., AnswerService]

LOOK_SECONDS = 0.02
LONG = 500
"""Words of a history that takes the engine a while to read."""


class NotingEngine:
    """A real engine, and a note of what it was given to read ahead."""

    def __init__(self, engine: EngineSupervisor, metrics: PrometheusMetrics) -> None:
        self._engine = engine
        self.metrics = metrics
        self.ahead: list[tuple[tuple[int, ...], Generation]] = []

    @property
    def facts(self) -> EngineFacts | None:
        return self._engine.facts

    @property
    def restarts(self) -> int:
        return self._engine.restarts

    def submit(self, request: GenerationRequest) -> Generation:
        generation = self._engine.submit(request)
        if request.prefill_only:
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
            self.metrics.registry.get_sample_value(f"phi3_prompt_tokens{name}_total") for name in ("", "_cached")
        )
        assert tokens is not None
        assert cached is not None
        return tokens - cached


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process(small_model_dir: Path) -> AsyncIterator[NotingEngine]:
    """An engine whose cache holds about 1,450 tokens."""
    metrics = PrometheusMetrics()
    process = EngineSupervisor(EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.02), metrics)
    await process.start()
    yield NotingEngine(process, metrics)
    await process.close()


@contextmanager
def standing_still(engine: NotingEngine) -> Iterator[None]:
    """Let the engine read nothing for a moment: a fast one would be through before anybody interrupts it."""
    process = psutil.Process(engine.process_id)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@pytest.fixture
def engine(process: NotingEngine) -> NotingEngine:
    process.ahead.clear()
    return process


@pytest.fixture(scope="module")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


@pytest_asyncio.fixture(loop_scope="module")
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def make(engine: NotingEngine, chatml: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, chatml, memory)


def make_answering(
    engine: NotingEngine, chatml: PromptBuilder, memory: Memory, context_length: int = 2048
) -> AnswerService:
    budget = Budget(context_length, max_new_tokens=8)
    model = ServedModel(engine, chatml, budget, Sampling(), time_limit_seconds=120.0)
    queue = QuestionQueue(most_running=8, most_waiting=8, most_waiting_per_person=4)
    return AnswerService(model, memory.conversations(), queue)


def channel(name: str) -> ConversationKey:
    return ConversationKey(person(name))


async def talk(answering: AnswerService, name: str, words: int = 100) -> Conversation:
    """A turn that no engine has read, as long as no other test has a conversation under this name."""
    builder = answering.model.builder
    ids = builder.tokenizer.encode(name + " word" * words)
    question = ask(f"Talk about {name}.", key=channel(name))
    opened = await answering.conversations.begin(question)
    turn = opened.turn(question, opened.branch, builder.answer(builder.tokenizer.decode(ids), ids))
    await answering.conversations.end(opened, question, DONE, turn)
    return opened.conversation


def prefix(answering: AnswerService, conversation: Conversation) -> tuple[int, ...]:
    """What of a conversation can be read before the next question."""
    return answering.model.window.prefix(SYSTEM, conversation.branch(conversation.tip_id))


def nearly_full(answering: AnswerService, conversation: Conversation) -> bool:
    return answering.model.window.is_nearly_full(SYSTEM, conversation.branch(conversation.tip_id))


async def answered(answering: AnswerService, name: str, text: str = "And now?") -> str:
    answer = answering.ask(ask(text, key=channel(name)))
    async for _ in answer.texts():
        pass
    return answer.text


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)


@asynccontextmanager
async def reading(answering: AnswerService) -> AsyncIterator[PrefillAhead]:
    """Read ahead for as long as the block lasts."""
    prefill_ahead = PrefillAhead(answering, LOOK_SECONDS)
    task = asyncio.create_task(prefill_ahead.run())
    try:
        yield prefill_ahead
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def looks(count: int = 10) -> None:
    """As long as it takes to look so many times for something to read."""
    await asyncio.sleep(count * LOOK_SECONDS)


def outcomes(engine: NotingEngine) -> list[FinishReason]:
    return [generation.outcome.reason for _, generation in engine.ahead if generation.outcome is not None]


async def test_after_a_loss_the_next_question_finds_everything_read(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "answered", "Count from one to a hundred.")
    known = answering.conversations.find(channel("answered"))
    assert known is not None
    conversations = [known, await talk(answering, "interrupted", LONG)]
    lost = engine.process_id
    psutil.Process(lost).suspend()  # a fast one would be through before it is lost
    async with reading(answering):
        await until(lambda: bool(engine.ahead))
        psutil.Process(lost).kill()
        await until(lambda: engine.facts is not None and engine.process_id != lost)
        await until(lambda: all(each.cached_by == engine.process_id for each in conversations))

    assert outcomes(engine) == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]
    assert [ids for ids, _ in engine.ahead[1:]] == [prefix(answering, each) for each in reversed(conversations)]
    for name, conversation in zip(("answered", "interrupted"), conversations, strict=True):
        before, known_tokens = engine.tokens_read, len(prefix(answering, conversation))
        line = conversation.branch(conversation.tip_id)
        new = len(answering.model.window.fit(SYSTEM, line, asked("And now?")).prompt.ids) - known_tokens
        await answered(answering, name)
        assert engine.tokens_read - before <= new + 1


async def test_after_a_restart_what_was_used_last_is_read_first(
    make: Make, engine: NotingEngine, memory: Memory
) -> None:
    before = make()
    expected = [prefix(before, await talk(before, name)) for name in ("first", "second")]
    after = make()
    async with reading(after):
        await until(lambda: len(outcomes(engine)) == 2)
    assert [ids for ids, _ in engine.ahead] == expected[::-1]


async def test_where_somebody_types_is_read_first(make: Make, engine: NotingEngine) -> None:
    answering = make()
    oldest, middle, latest = [await talk(answering, name) for name in ("oldest", "middle", "latest")]
    async with reading(answering) as prefill_ahead:
        prefill_ahead.expect(channel("oldest"))
        await until(lambda: all(each.cached_by == engine.process_id for each in (oldest, middle, latest)))
    assert [ids for ids, _ in engine.ahead] == [prefix(answering, each) for each in (oldest, latest, middle)]


async def test_where_somebody_types_is_read_though_it_is_not_in_memory(make: Make, engine: NotingEngine) -> None:
    before = make()
    expected = [prefix(before, await talk(before, name)) for name in ("typed in", "thread", "later")]
    after = make()
    async with reading(after) as prefill_ahead:
        prefill_ahead.expect(channel("typed in"))
        await until(lambda: len(outcomes(engine)) == 3)
    assert [ids for ids, _ in engine.ahead] == [expected[0], expected[2], expected[1]]


async def test_what_a_thread_grew_from_is_read_where_somebody_types_in_it(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await talk(answering, "origin")
    conversation = await talk(answering, "origin")
    origin = conversation.branch(conversation.tip_id)[-1]
    async with reading(answering) as prefill_ahead:
        prefill_ahead.expect(ConversationKey(origin.id))
        await until(lambda: conversation.cached_by == engine.process_id)
    expected = [answering.model.window.prefix(SYSTEM, [origin]), prefix(answering, conversation)]
    assert [ids for ids, _ in engine.ahead] == expected


async def test_what_is_being_read_gives_way_to_where_somebody_types(make: Make, engine: NotingEngine) -> None:
    answering = make()
    expected, long = await talk(answering, "expected"), await talk(answering, "gives way", LONG)
    async with reading(answering) as prefill_ahead:
        with standing_still(engine):
            await until(lambda: bool(engine.ahead))
            prefill_ahead.expect(channel("expected"))
            await looks()
        await until(lambda: long.cached_by == engine.process_id)
    assert [ids for ids, _ in engine.ahead] == [prefix(answering, each) for each in (long, expected, long)]
    assert outcomes(engine) == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]


async def test_typing_where_all_is_read_or_being_read_changes_nothing(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "known")
    long = await talk(answering, "being read", LONG)
    async with reading(answering) as prefill_ahead:
        await until(lambda: bool(engine.ahead))
        for name in ("known", "being read"):
            prefill_ahead.expect(channel(name))
        await until(lambda: long.cached_by == engine.process_id)
    assert outcomes(engine) == [FinishReason.LENGTH]


async def test_typing_where_nothing_was_said_reads_nothing(make: Make, engine: NotingEngine) -> None:
    answering = make()
    async with reading(answering) as prefill_ahead:
        prefill_ahead.expect(channel("nobody was ever here"))
        await looks()
    assert engine.ahead == []


async def test_a_question_comes_first_and_what_was_being_read_is_read_later(make: Make, engine: NotingEngine) -> None:
    answering = make()
    long = await talk(answering, "read later", LONG)
    async with reading(answering):
        with standing_still(engine):
            await until(lambda: bool(engine.ahead))
            question = asyncio.create_task(answered(answering, "elsewhere"))
            await looks()
        assert await question
        assert outcomes(engine)[0] is FinishReason.CANCELLED
        await until(lambda: long.cached_by == engine.process_id)
    assert outcomes(engine)[-1] is FinishReason.LENGTH


async def test_nothing_is_read_while_a_question_waits(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await talk(answering, "quiet")
    with answering.queue.join("busy", "Ada"):
        async with reading(answering):
            await looks()
    assert engine.ahead == []


async def test_what_has_been_read_is_not_read_again_until_it_changes(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "answered")
    conversation = await talk(answering, "talked")
    turn_id = conversation.tip_id
    assert turn_id is not None
    async with reading(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
        await looks()
        assert len(engine.ahead) == 1
        await answering.conversations.edit(turn_id, "Talk about something else.", [])
        await until(lambda: len(outcomes(engine)) == 2)
        await until(lambda: conversation.cached_by == engine.process_id)
        await answering.conversations.reset(conversation.key, turn_id + 1)
        await looks()
    assert len(engine.ahead) == 2
    assert await seen(answering.conversations, conversation.key) == []


async def test_a_history_all_but_full_is_trimmed_before_the_question_comes(make: Make, engine: NotingEngine) -> None:
    answering = make(context_length=400)
    conversation = await talk(answering, "full")
    while len(prefix(answering, conversation)) < 270:
        await talk(answering, "full", 5)
    while not nearly_full(answering, conversation):
        await answered(answering, "full")
    assert conversation.cached_by is None
    trimmed = prefix(answering, conversation)
    async with reading(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
    assert [ids for ids, _ in engine.ahead] == [trimmed]
    assert len(trimmed) <= 400 / 2

    before = engine.tokens_read
    await answered(answering, "full")

    assert engine.tokens_read - before < 20
    assert not nearly_full(answering, conversation)
    assert conversation.cached_by == engine.process_id


async def test_no_more_is_read_than_half_the_cache(make: Make, engine: NotingEngine) -> None:
    answering = make()
    *older, second, latest = [await talk(answering, f"number {number}", 300) for number in range(4)]
    async with reading(answering):
        await until(lambda: second.cached_by == engine.process_id)
        await looks()
    assert [ids for ids, _ in engine.ahead] == [prefix(answering, latest), prefix(answering, second)]
    assert [each.cached_by for each in older] == [None, None]
