"""Conversations prefilled into a real engine's cache before a question comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.answering.service import AnswerService
from bot.conversation.store import ConversationHead
from bot.conversation.turn import ConversationKey
from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.metrics.prometheus import PrometheusMetrics
from bot.prompting.prompt import PromptBuilder
from bot.storage.conversation_store import DatabaseConversationStore
from tests.answering.answers import channel, run
from tests.answering.prefilling import (
    NotingEngine,
    answered,
    make_answering,
    nearly_full,
    polls,
    prefilling,
    prefix,
    talk,
    until,
)
from tests.conversation.memory import SYSTEM, Memory, ask, asked, seen

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., AnswerService]

LONG = 500
"""Words of a history whose prefill takes a while."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def process(small_model_dir: Path) -> AsyncIterator[NotingEngine]:
    """An engine whose cache holds about 1,450 tokens."""
    metrics = PrometheusMetrics()
    options = EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.02)
    process = EngineSupervisor(options, metrics.of_engine())
    await process.start()
    yield NotingEngine(process, metrics)
    await process.close()


@pytest.fixture
def engine(process: NotingEngine) -> NotingEngine:
    process.prefills.clear()
    return process


@pytest.fixture
def make(engine: NotingEngine, chatml: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, chatml, memory)


async def test_after_a_crash_everything_is_prefilled_again(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "answered", "Count from one to a hundred.")
    known = answering.conversations.find(channel("answered"))
    assert known is not None
    conversations = [known, await talk(answering, "interrupted", LONG)]
    crashed = engine.process_id
    psutil.Process(crashed).suspend()  # a fast one would finish before it crashes
    async with prefilling(answering):
        await until(lambda: bool(engine.prefills))
        psutil.Process(crashed).kill()
        await until(lambda: engine.facts is not None and engine.process_id != crashed)
        await until(lambda: all(each.cached_by == engine.process_id for each in conversations))

    assert engine.outcomes == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]
    assert engine.prefilled_ids[1:] == [prefix(answering, each) for each in reversed(conversations)]
    for name, conversation in zip(("answered", "interrupted"), conversations, strict=True):
        before, known_tokens = engine.uncached_tokens, len(prefix(answering, conversation))
        branch = conversation.branch(conversation.tip_id)
        new = len(answering.model.window.fit(SYSTEM, branch, asked("And now?")).prompt.ids) - known_tokens
        await answered(answering, name)
        assert engine.uncached_tokens - before <= new + 1


async def test_after_a_restart_the_latest_conversation_comes_first(
    make: Make, engine: NotingEngine, memory: Memory
) -> None:
    before = make()
    expected = [prefix(before, await talk(before, name)) for name in ("first", "second")]
    after = make()
    async with prefilling(after):
        await until(lambda: len(engine.outcomes) == 2)
    assert engine.prefilled_ids == expected[::-1]


async def test_typing_puts_a_conversation_first(make: Make, engine: NotingEngine) -> None:
    answering = make()
    oldest, middle, latest = [await talk(answering, name) for name in ("oldest", "middle", "latest")]
    async with prefilling(answering) as prefill_ahead:
        prefill_ahead.expect(channel("oldest"))
        await until(lambda: all(each.cached_by == engine.process_id for each in (oldest, middle, latest)))
    assert engine.prefilled_ids == [prefix(answering, each) for each in (oldest, latest, middle)]


async def test_typing_loads_a_conversation_from_the_store(make: Make, engine: NotingEngine) -> None:
    before = make()
    expected = [prefix(before, await talk(before, name)) for name in ("typed in", "thread", "later")]
    after = make()
    async with prefilling(after) as prefill_ahead:
        prefill_ahead.expect(channel("typed in"))
        await until(lambda: len(engine.outcomes) == 3)
    assert engine.prefilled_ids == [expected[0], expected[2], expected[1]]


async def test_typing_in_a_new_thread_prefills_the_turn_it_grew_from(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await talk(answering, "origin")
    conversation = await talk(answering, "origin")
    origin = conversation.branch(conversation.tip_id)[-1]
    async with prefilling(answering) as prefill_ahead:
        prefill_ahead.expect(ConversationKey(origin.id))
        await until(lambda: conversation.cached_by == engine.process_id)
    expected = [answering.model.window.prefix(SYSTEM, [origin]).ids, prefix(answering, conversation)]
    assert engine.prefilled_ids == expected


async def test_typing_interrupts_the_current_prefill(make: Make, engine: NotingEngine) -> None:
    answering = make()
    expected, long = await talk(answering, "expected"), await talk(answering, "interrupted by typing", LONG)
    async with prefilling(answering) as prefill_ahead:
        with engine.suspended():
            await until(lambda: bool(engine.prefills))
            prefill_ahead.expect(channel("expected"))
            await polls()
        await until(lambda: long.cached_by == engine.process_id)
    assert engine.prefilled_ids == [prefix(answering, each) for each in (long, expected, long)]
    assert engine.outcomes == [FinishReason.CANCELLED, FinishReason.LENGTH, FinishReason.LENGTH]


async def test_typing_where_nobody_talks_to_the_bot_interrupts_nothing(make: Make, engine: NotingEngine) -> None:
    answering = make()
    long = await talk(answering, "not interrupted by strangers", LONG)
    async with prefilling(answering) as prefill_ahead:
        with engine.suspended():
            await until(lambda: bool(engine.prefills))
            for stranger in range(20):
                prefill_ahead.expect(channel(f"strangers {stranger}"))
                await polls()
        await until(lambda: long.cached_by == engine.process_id)
    assert engine.outcomes == [FinishReason.LENGTH]


async def test_typing_in_a_stored_conversation_interrupts_the_current_prefill(make: Make, engine: NotingEngine) -> None:
    await talk(make(), "stored")
    answering = make()
    await answering.conversations.recent(0)
    long = await talk(answering, "interrupted from the store", LONG)
    async with prefilling(answering) as prefill_ahead:
        with engine.suspended():
            await until(lambda: bool(engine.prefills))
            prefill_ahead.expect(channel("stored"))
            await until(lambda: answering.conversations.find(channel("stored")) is not None)
            await polls()
        await until(lambda: long.cached_by == engine.process_id)
    stored = answering.conversations.find(channel("stored"))
    assert stored is not None
    assert engine.prefilled_ids == [prefix(answering, each) for each in (long, stored, long)]


async def test_typing_in_a_channel_without_turns_is_looked_up_once(
    make: Make, memory: Memory, engine: NotingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = []
    head = type(memory.store).head

    async def noting(store: DatabaseConversationStore, key: ConversationKey) -> ConversationHead | None:
        heads.append(key)
        return await head(store, key)

    monkeypatch.setattr(type(memory.store), "head", noting)
    answering = make()
    async with prefilling(answering) as prefill_ahead:
        for _ in range(10):
            prefill_ahead.expect(channel("strangers"))
            await polls()
    assert heads == [channel("strangers")]


async def test_typing_in_a_prefilled_conversation_changes_nothing(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "known")
    long = await talk(answering, "current", LONG)
    async with prefilling(answering) as prefill_ahead:
        await until(lambda: bool(engine.prefills))
        for name in ("known", "current"):
            prefill_ahead.expect(channel(name))
        await until(lambda: long.cached_by == engine.process_id)
    assert engine.outcomes == [FinishReason.LENGTH]


async def test_typing_in_an_empty_channel_prefills_nothing(make: Make, engine: NotingEngine) -> None:
    answering = make()
    async with prefilling(answering) as prefill_ahead:
        prefill_ahead.expect(channel("nobody was ever here"))
        await polls()
    assert engine.prefills == []


async def test_a_question_interrupts_a_prefill_which_resumes_later(make: Make, engine: NotingEngine) -> None:
    answering = make()
    long = await talk(answering, "resumed", LONG)
    async with prefilling(answering):
        with engine.suspended():
            await until(lambda: bool(engine.prefills))
            question = asyncio.create_task(answered(answering, "elsewhere"))
            await polls()
        assert await question
        assert engine.outcomes[0] is FinishReason.CANCELLED
        await until(lambda: long.cached_by == engine.process_id)
    assert engine.outcomes[-1] is FinishReason.LENGTH


async def test_nothing_is_prefilled_while_a_question_runs(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await talk(answering, "quiet")
    with answering.queue.join("busy", "Ada"):
        async with prefilling(answering):
            await polls()
    assert engine.prefills == []


async def test_a_conversation_is_prefilled_again_only_after_a_change(make: Make, engine: NotingEngine) -> None:
    answering = make()
    await answered(answering, "answered")
    conversation = await talk(answering, "talked")
    turn_id = conversation.tip_id
    assert turn_id is not None
    async with prefilling(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
        await polls()
        assert len(engine.prefills) == 1
        await answering.conversations.edit(turn_id, "Talk about something else.", [])
        await until(lambda: len(engine.outcomes) == 2)
        await until(lambda: conversation.cached_by == engine.process_id)
        await answering.conversations.reset(conversation.key, turn_id + 1)
        await polls()
    assert len(engine.prefills) == 2
    assert await seen(answering.conversations, conversation.key) == []


async def test_a_nearly_full_history_is_trimmed_before_the_next_question(make: Make, engine: NotingEngine) -> None:
    answering = make(context_length=400)
    conversation = await talk(answering, "full")
    while len(prefix(answering, conversation)) < 270:
        await talk(answering, "full", 5)
    while not nearly_full(answering, conversation):
        await answered(answering, "full")
    assert conversation.cached_by is None
    trimmed = prefix(answering, conversation)
    async with prefilling(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
    assert engine.prefilled_ids == [trimmed]
    assert len(trimmed) <= 400 / 2

    before = engine.uncached_tokens
    await answered(answering, "full")

    assert engine.uncached_tokens - before < 20
    assert not nearly_full(answering, conversation)
    assert conversation.cached_by == engine.process_id


async def test_an_answer_that_now_follows_another_is_read_in_its_new_place(make: Make, engine: NotingEngine) -> None:
    answering, key = make(), channel("side by side")
    await answered(answering, "side by side", "What is a boat?")
    last = answering.ask(ask("Count from one to a hundred.", "Ada", key=key))
    async with aclosing(last.texts()) as texts:
        await anext(texts)
        first = answering.ask(ask("And what is a ship?", "Grace", key=key))
        assert await run(first)
        conversation = answering.conversations.find(key)
        assert conversation is not None
        assert conversation.cached_by == engine.process_id, "the answer that ends first stays in its place"
        async for _ in texts:
            pass
    assert conversation.tip_id == last.question.id
    assert conversation.cached_by is None, "the model answered it without the other answer before it"
    branch = conversation.branch(conversation.tip_id)
    assert [turn.id for turn in branch[1:]] == [first.question.id, last.question.id]
    async with prefilling(answering):
        await until(lambda: conversation.cached_by == engine.process_id)
        await polls()
    assert engine.prefilled_ids == [prefix(answering, conversation)]

    before, known_tokens = engine.uncached_tokens, len(prefix(answering, conversation))
    new = len(answering.model.window.fit(SYSTEM, branch, asked("And now?")).prompt.ids) - known_tokens
    await answered(answering, "side by side")
    assert engine.uncached_tokens - before <= new + 1


async def test_prefills_take_at_most_half_the_cache(make: Make, engine: NotingEngine) -> None:
    answering = make()
    *older, second, latest = [await talk(answering, f"number {number}", 300) for number in range(4)]
    async with prefilling(answering):
        await until(lambda: second.cached_by == engine.process_id)
        await polls()
    assert engine.prefilled_ids == [prefix(answering, latest), prefix(answering, second)]
    assert [each.cached_by for each in older] == [None, None]
