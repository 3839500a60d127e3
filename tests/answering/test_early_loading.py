"""Conversations that an engine with a disk cache loads before their questions start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from bot.answering import prefill_ahead as module
from bot.answering.answer import Answer
from bot.answering.service import AnswerService
from bot.engine.interface import FinishReason
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import ask_in, channel, make_answering, run
from tests.answering.loading_engine import LoadingEngine
from tests.answering.prefilling import polls, prefilling, talk, until
from tests.conversation.memory import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")

Make = Callable[..., AnswerService]


@pytest.fixture
def engine(chatml: PromptBuilder) -> LoadingEngine:
    return LoadingEngine(chatml.tokenizer.encode("I see."))


@pytest.fixture
def make(engine: LoadingEngine, chatml: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, chatml, memory)


@pytest.fixture
def loaded(engine: LoadingEngine) -> Callable[[AnswerService, str], Awaitable[None]]:
    """Waits for the next load, checks whose it is, and lets it succeed."""

    async def wait(answering: AnswerService, name: str) -> None:
        load = await engine.next_load()
        assert load.prompt_ids == await prompt_of(answering, name)
        load.end()

    return wait


async def prompt_of(answering: AnswerService, name: str) -> tuple[int, ...]:
    opened = await answering.conversations.peek(channel(name))
    return answering.model.window.prefix(opened.system_prompt, opened.branch).ids


Loaded = Callable[[AnswerService, str], Awaitable[None]]


async def test_typing_loads_a_conversation_while_others_are_answered(make: Make, loaded: Loaded) -> None:
    await talk(make(), "stored")
    answering = make()
    with answering.queue.join("busy", "Ada"):
        async with prefilling(answering) as prefill_ahead:
            prefill_ahead.expect(channel("stored"))
            await loaded(answering, "stored")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
async def test_typing_loads_what_may_have_been_evicted(make: Make, loaded: Loaded, busy: bool) -> None:
    answering = make()
    (await talk(answering, "evicted")).cached_by = answering.model.cache_owner
    if busy:
        answering.queue.join("busy", "Ada")
    async with prefilling(answering) as prefill_ahead:
        prefill_ahead.expect(channel("evicted"))
        await loaded(answering, "evicted")


@pytest.mark.parametrize("end", [FinishReason.LENGTH, FinishReason.CANCELLED], ids=["whole", "in part"])
async def test_what_was_just_loaded_is_not_loaded_again(
    make: Make, engine: LoadingEngine, loaded: Loaded, monkeypatch: pytest.MonkeyPatch, end: FinishReason
) -> None:
    answering = make()
    for name in ("typed in all the time", "then", "at last"):
        await talk(answering, name)
    with answering.queue.join("busy", "Ada"):
        async with prefilling(answering) as prefill_ahead:
            prefill_ahead.expect(channel("typed in all the time"))
            load = await engine.next_load()
            for name in ("typed in all the time", "then"):
                prefill_ahead.expect(channel(name))
            load.end(end)
            load = await engine.next_load()
            assert load.prompt_ids == await prompt_of(answering, "then")
            for name in ("at last", "typed in all the time"):
                prefill_ahead.expect(channel(name))
            load.end(end)
            await loaded(answering, "at last")
            await is_cached(answering, "at last")
            assert not engine.unseen_loads
            monkeypatch.setattr(module, "_FRESH_SECONDS", 0.0)
            prefill_ahead.expect(channel("typed in all the time"))
            await loaded(answering, "typed in all the time")


async def test_a_load_is_finished_before_the_next_ones_and_the_latest_comes_first(
    make: Make, engine: LoadingEngine, loaded: Loaded
) -> None:
    answering = make()
    names = ["first", "second", "third"]
    for name in names:
        await talk(answering, name)
    with answering.queue.join("busy", "Ada"):
        async with prefilling(answering) as prefill_ahead:
            prefill_ahead.expect(channel("first"))
            load = await engine.next_load()
            for name in ("second", "third", "second", "third"):
                prefill_ahead.expect(channel(name))
            assert load.outcome is None
            load.end()
            for name in ("third", "second"):
                await loaded(answering, name)
            await is_cached(answering, "second")
    assert not engine.unseen_loads


async def test_what_idle_time_is_used_for_makes_way_and_continues(
    make: Make, engine: LoadingEngine, loaded: Loaded
) -> None:
    answering = make()
    for name in ("marked as cached", "elsewhere"):
        (await talk(answering, name)).cached_by = answering.model.cache_owner
    async with prefilling(answering) as prefill_ahead:
        prefill_ahead.expect(channel("marked as cached"))
        load = await engine.next_load()
        prefill_ahead.expect(channel("elsewhere"))
        assert load.outcome is not None
        for name in ("elsewhere", "marked as cached"):
            await loaded(answering, name)


async def test_a_mention_loads_its_conversation_while_it_is_read(make: Make, engine: LoadingEngine) -> None:
    answering = make()
    for name in ("prefilled in idle time", "mentioned", "latest"):
        await talk(answering, name)
    async with prefilling(answering):
        idle = await engine.next_load()
        assert idle.prompt_ids == await prompt_of(answering, "latest")
        question = ask_in("mentioned")
        with answering.admit(question.key, question.asked.author_id) as pending:
            load = await engine.next_load()
            assert load.prompt_ids == await prompt_of(answering, "mentioned")
            assert await run(pending.ask(question))
        assert load.outcome is not None
        assert load.outcome.reason is FinishReason.CANCELLED
        [request] = engine.requests
        assert request.prompt_ids[: len(load.prompt_ids)] == load.prompt_ids


async def test_the_next_in_the_queue_is_loaded_and_nobody_behind(
    make: Make, engine: LoadingEngine, loaded: Loaded
) -> None:
    answering = make(most_running=1)
    for name in ("next", "after it"):
        await talk(answering, name)
    async with prefilling(answering):
        with answering.queue.join("busy", "Ada"):
            answers = [asyncio.create_task(run(answering.ask(ask_in(name)))) for name in ("next", "after it")]
            await loaded(answering, "next")
            await is_cached(answering, "next")
            assert not engine.unseen_loads
            engine.gates[0] = asyncio.Event()
        await loaded(answering, "after it")
        engine.gates[0].set()
        await asyncio.gather(*answers)


async def test_a_conversation_that_is_being_answered_is_not_loaded(
    make: Make, engine: LoadingEngine, loaded: Loaded
) -> None:
    answering = make()
    for name in ("answered now", "typed in"):
        await talk(answering, name)
    gate = engine.gates[0] = asyncio.Event()
    answer = answering.ask(ask_in("answered now"))
    running = asyncio.create_task(run(answer))
    async with asyncio.timeout(60):
        while not engine.requests:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0)
    async with prefilling(answering) as prefill_ahead:
        for name in ("typed in", "answered now"):
            prefill_ahead.expect(channel(name))
        await loaded(answering, "typed in")
        await is_cached(answering, "typed in")
        assert not engine.unseen_loads
    gate.set()
    await running
    assert ended(answer) is FinishReason.STOP


async def test_without_a_disk_cache_nothing_happens_beside_answers(
    make: Make, engine: LoadingEngine, loaded: Loaded
) -> None:
    engine.disk_cache_bytes = 0
    answering = make()
    for name in ("typed in", "mentioned", "typed in last"):
        await talk(answering, name)
    async with prefilling(answering) as prefill_ahead:
        with answering.admit(channel("mentioned"), 1):
            for name in ("typed in", "typed in last"):
                prefill_ahead.expect(channel(name))
            await polls()
            assert not engine.unseen_loads
        for name in ("typed in last", "mentioned", "typed in"):
            await loaded(answering, name)


def ended(answer: Answer) -> FinishReason:
    assert answer.outcome is not None
    return answer.outcome.reason


async def is_cached(answering: AnswerService, name: str) -> None:
    conversation = answering.conversations.find(channel(name))
    assert conversation is not None
    await until(lambda: conversation.cached_by == answering.model.cache_owner)
