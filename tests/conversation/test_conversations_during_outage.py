"""Conversations during an outage of the database, and after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import (
    ELSEWHERE,
    HERE,
    SYSTEM,
    Memory,
    answer,
    ask,
    message_ids,
    person,
    say,
    seen,
    texts,
)


@asynccontextmanager
async def outage(memory: Memory) -> AsyncIterator[None]:
    """Move the file away during the block; then wait until everything is written."""
    await memory.close_connections()
    with memory.lost():
        yield
    await until(lambda: not memory.store.behind)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


async def test_conversations_in_memory_continue(memory: Memory, conversations: Conversations) -> None:
    await say(conversations, "one")
    async with outage(memory):
        await say(conversations, "two")
        await say(conversations, "new", key=ELSEWHERE)
        assert await seen(conversations) == ["one", "two"]
        assert await seen(conversations, ELSEWHERE) == ["new"]
    for each in (conversations, memory.conversations()):
        await say(each, "later")
        assert await seen(each, ELSEWHERE) == ["new"]
    assert await seen(memory.conversations()) == ["one", "two", "later", "later"]


async def test_an_unreadable_conversation_finds_its_past_after_the_outage(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    await say(memory.conversations(), "two")
    conversations = memory.conversations()
    async with outage(memory):
        assert texts((await answer(conversations, ask("lost"))).branch) == []
        assert await seen(conversations) == ["lost"]
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["one", "two", "lost"]


async def test_the_past_is_found_even_if_nothing_was_asked_meanwhile(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    conversations = memory.conversations()
    async with outage(memory):
        assert await seen(conversations) == []
        assert (await conversations.peek(HERE)).branch == ()
    assert await seen(conversations) == ["one"]


async def test_an_incomplete_branch_is_completed_after_the_outage(memory: Memory) -> None:
    one = await say(memory.conversations(), "one")
    await say(memory.conversations(), "two")
    conversations = memory.conversations()
    assert [each.key for each in await conversations.recent(1)] == [HERE]
    async with outage(memory):
        assert texts((await answer(conversations, ask("lost"))).branch) == []
        assert await seen(conversations, reply_to=one) == ["lost"]
    assert await seen(conversations) == ["one", "two", "lost"]
    assert await seen(conversations, reply_to=one) == ["one"]


async def test_nothing_leaves_memory_before_it_is_stored(memory: Memory) -> None:
    conversations = memory.conversations(most_open=1)
    keys = [ConversationKey(number) for number in range(1, 4)]
    async with outage(memory):
        for key in keys:
            await say(conversations, f"Hello {key.channel_id}", key=key)
        assert [await seen(conversations, key) for key in keys] == [["Hello 1"], ["Hello 2"], ["Hello 3"]]
    assert await seen(conversations, ELSEWHERE) == ["Hello 2"]
    assert await seen(conversations, ConversationKey(9)) == []
    assert [conversations.find(key) for key in keys] == [None, None, None]
    assert [await seen(conversations, key) for key in keys] == [["Hello 1"], ["Hello 2"], ["Hello 3"]]


async def test_changes_are_stored_after_the_outage(memory: Memory, conversations: Conversations) -> None:
    one = await say(conversations, "one")
    two = await say(conversations, "two", "Grace")
    await say(conversations, "three")
    async with outage(memory):
        await conversations.edit(one, "1", [])
        await conversations.erase([two])
        assert await seen(conversations) == ["1", "three"]
    assert await seen(memory.conversations()) == ["1", "three"]
    async with outage(memory):
        assert await conversations.forget(person("Ada"), None) is None
        assert await seen(conversations) == []
    assert await seen(memory.conversations()) == []


async def test_an_answer_from_before_a_restart_is_erased_during_an_outage(memory: Memory) -> None:
    one = await say(memory.conversations(), "one")
    reply = next(message_ids)
    await DatabaseWorkStore(memory.journal).replied(one, 0, reply)
    await say(memory.conversations(), "two")
    conversations = memory.conversations()
    assert await seen(conversations) == ["one", "two"]
    async with outage(memory):
        await conversations.erase([reply])
        assert await seen(conversations) == ["two"]
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["two"]


async def test_edits_of_strangers_during_an_outage_are_one_write(memory: Memory, conversations: Conversations) -> None:
    one = await say(conversations, "one")
    async with outage(memory):
        for stranger in range(5, 200):
            await conversations.edit(stranger, "Hi", [])
        await conversations.edit(one, "1", [])
        assert memory.journal.behind <= 2
    assert await seen(memory.conversations()) == ["1"]


async def test_a_reset_and_a_persona_take_effect_at_once_and_stay(memory: Memory, conversations: Conversations) -> None:
    await say(conversations, "one")
    async with outage(memory):
        await conversations.reset(HERE, next(message_ids))
        assert await seen(conversations) == []
        assert (await conversations.personas.system_prompt(HERE.channel_id)).text == SYSTEM
        await conversations.set_persona(HERE.channel_id, "You are a pirate.")
        assert (await conversations.peek(HERE)).system_prompt == "You are a pirate."
        await say(conversations, "two")
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["two"]
        assert (await each.peek(HERE)).system_prompt == "You are a pirate."


async def test_a_persona_that_is_in_force_stays(memory: Memory) -> None:
    await memory.conversations().set_persona(HERE.channel_id, "You are a pirate.")
    conversations = memory.conversations()
    await say(conversations, "one")
    async with outage(memory):
        assert (await answer(conversations, ask("two"))).system_prompt == "You are a pirate."


async def test_recent_conversations_are_read_after_the_outage(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    conversations = memory.conversations()
    async with outage(memory):
        assert await conversations.recent(9) == []
    assert [each.key for each in await conversations.recent(9)] == [HERE]


@pytest.mark.parametrize("replied", [False, True])
async def test_a_reply_to_an_unreadable_turn_is_answered(memory: Memory, replied: bool) -> None:
    one = await say(memory.conversations(), "one")
    conversations = memory.conversations()
    if replied:
        conversations.replied(one, one := next(message_ids))
    async with outage(memory):
        assert texts((await answer(conversations, ask("why?", reply_to=one))).branch) == []
    assert await seen(conversations) == ["one", "why?"]


async def test_a_reset_takes_effect_while_the_file_is_read_only(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    conversations = memory.conversations()
    with memory.locked():
        await conversations.reset(HERE, next(message_ids))
        assert await seen(conversations) == []
        await say(conversations, "two")
    await until(lambda: not memory.store.behind)
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["two"]
