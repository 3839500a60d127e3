"""What a question continues, now and after a restart."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bot.conversation import open_conversations as module
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Quote, TextFile
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import (
    DONE,
    ELSEWHERE,
    HERE,
    SYSTEM,
    Memory,
    answer,
    ask,
    message_ids,
    open_memory,
    say,
    seen,
    texts,
)


@pytest.fixture(params=[False, True], ids=["in memory", "after a restart"])
def restarts(request: pytest.FixtureRequest) -> bool:
    """Run the test with memory as it is, and with memory read from the file again."""
    return bool(request.param)


def later(memory: Memory, conversations: Conversations, restarts: bool) -> Conversations:
    return memory.conversations() if restarts else conversations


async def test_a_question_continues_the_latest_turn(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    for text in ("one", "two", "three"):
        await say(conversations, text)
    await say(conversations, "elsewhere", key=ELSEWHERE)
    assert await seen(later(memory, conversations, restarts)) == ["one", "two", "three"]
    assert await seen(later(memory, conversations, restarts), ELSEWHERE) == ["elsewhere"]
    assert await seen(later(memory, conversations, restarts), ConversationKey(HERE.channel_id, 7)) == []


async def test_a_turn_survives_a_restart_completely(tmp_path: Path) -> None:
    quote = Quote(7, 8, "Grace", "Fish fly.")
    question = ask("Is that so?", quotes=[quote], files=[TextFile(1, "a.txt", "first"), TextFile(2, "b.txt", "")])
    async with open_memory(tmp_path) as memory:
        conversations = memory.conversations()
        await say(conversations, "before")
        opened = await conversations.begin(question)
        turn = opened.turn(question, opened.branch, Message("assistant", "No.", (5, 6, 2**31), "a tokenizer"))
        await conversations.end(opened, question, DONE, turn)
        branch = (await conversations.peek(HERE)).branch
    async with open_memory(tmp_path) as memory:
        opened = await memory.conversations().peek(HERE)
    assert opened.branch == branch
    assert opened.branch[-1] == turn
    assert opened.system_prompt == SYSTEM


async def test_a_reply_to_an_older_answer_starts_a_branch(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    await say(conversations, "one")
    two = await say(conversations, "two")
    three = await say(conversations, "three")
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations, reply_to=two) == ["one", "two"]
    mine = await say(conversations, "mine", reply_to=two)
    theirs = await say(conversations, "theirs", "Grace", reply_to=three)
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations, reply_to=mine) == ["one", "two", "mine"]
    assert await seen(conversations, reply_to=theirs) == ["one", "two", "three", "theirs"]
    assert await seen(conversations) == ["one", "two", "three", "theirs"]
    await say(conversations, "mine again", reply_to=mine)
    assert await seen(later(memory, conversations, restarts)) == ["one", "two", "mine", "mine again"]


async def test_any_message_of_a_reply_leads_to_its_turn(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    one = await say(conversations, "one")
    await say(conversations, "two")
    parts = [next(message_ids) for _ in range(2)]
    for position, part in enumerate(parts):
        conversations.replied(one, part)
        await DatabaseWorkStore(memory.journal).replied(one, position, part)
    for part in parts:
        assert await seen(later(memory, conversations, restarts), reply_to=part) == ["one"]


async def test_a_reply_to_a_message_without_a_turn_continues_the_tip(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    await say(conversations, "one")
    failed, erased = ask("failed"), await say(conversations, "erased")
    opened = await conversations.begin(failed)
    await conversations.end(opened, failed, Outcome(FinishReason.FAILED), None)
    await say(conversations, "two")
    reply = next(message_ids)
    conversations.replied(erased, reply)
    await DatabaseWorkStore(memory.journal).replied(erased, 0, reply)
    await conversations.erase([erased])
    for message_id in (failed.id, erased, reply, next(message_ids)):
        assert await seen(later(memory, conversations, restarts), reply_to=message_id) == ["one", "two"]


async def test_a_reply_across_members_conversations_sees_one_turn_of_the_other(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    hers, theirs = ConversationKey(1, 11), ConversationKey(1, 12)
    await say(conversations, "one", key=hers)
    two = await say(conversations, "two", key=hers)
    await say(conversations, "own", "Grace", key=theirs)
    await say(conversations, "about two", "Grace", key=theirs, reply_to=two)
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations, theirs) == ["two", "about two"]
    assert await seen(conversations, hers) == ["one", "two"]


@pytest.mark.parametrize("from_answer", [False, True])
async def test_a_thread_begins_with_the_turn_that_it_was_started_from(
    memory: Memory, conversations: Conversations, restarts: bool, from_answer: bool
) -> None:
    await say(conversations, "one")
    two = await say(conversations, "two")
    await say(conversations, "three")
    origin = two
    if from_answer:
        origin = next(message_ids)
        conversations.replied(two, origin)
        await DatabaseWorkStore(memory.journal).replied(two, 0, origin)
    thread = ConversationKey(origin)
    conversations = later(memory, conversations, restarts)
    assert texts((await conversations.peek(thread)).branch) == ["two"]
    first = await say(conversations, "in the thread", key=thread)
    assert await seen(later(memory, conversations, restarts), thread) == ["two", "in the thread"]
    await say(conversations, "still there", key=thread)
    assert await seen(later(memory, conversations, restarts), thread) == ["two", "in the thread", "still there"]
    assert await seen(later(memory, conversations, restarts), thread, reply_to=first) == ["two", "in the thread"]
    assert await seen(later(memory, conversations, restarts)) == ["one", "two", "three"]
    await conversations.reset(thread, next(message_ids))
    assert await seen(later(memory, conversations, restarts), thread) == []
    await say(conversations, "afresh", key=thread)
    assert await seen(later(memory, conversations, restarts), thread) == ["afresh"]


async def test_a_thread_from_any_other_message_begins_empty(conversations: Conversations) -> None:
    await say(conversations, "one")
    assert await seen(conversations, ConversationKey(next(message_ids))) == []


async def test_after_a_reset_only_a_reply_reaches_older_turns(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    one = await say(conversations, "one")
    await say(conversations, "elsewhere", key=ELSEWHERE)
    await later(memory, conversations, restarts).reset(HERE, next(message_ids))
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations) == []
    assert await seen(conversations, ELSEWHERE) == ["elsewhere"]
    await say(conversations, "afresh")
    assert await seen(later(memory, conversations, restarts)) == ["afresh"]
    await say(conversations, "as before", reply_to=one)
    assert await seen(later(memory, conversations, restarts)) == ["one", "as before"]


async def test_an_answer_that_ends_after_a_reset_does_not_become_the_tip(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    await say(conversations, "one")
    question = ask("running")
    opened = await conversations.begin(question)
    await conversations.reset(HERE, next(message_ids))
    await conversations.end(opened, question, DONE, opened.turn(question, opened.branch, Message("assistant", "Yes.")))
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations) == []
    assert await seen(conversations, reply_to=question.id) == ["one", "running"]


async def test_a_suspended_answer_leaves_no_turn(memory: Memory, conversations: Conversations, restarts: bool) -> None:
    await say(conversations, "one")
    question = ask("broken off")
    await DatabaseWorkStore(memory.journal).accept(question.id, question.key, question.asked.author_id)
    opened = await conversations.begin(question)
    await conversations.end(opened, question, None, None)
    assert await seen(later(memory, conversations, restarts)) == ["one"]
    (unfinished,) = await DatabaseWorkStore(memory.journal).unfinished()
    assert (unfinished.message_id, unfinished.outcome) == (question.id, None)


async def test_trimmed_turns_stay_out_of_the_branch(
    memory: Memory, conversations: Conversations, restarts: bool
) -> None:
    for text in ("one", "two", "three"):
        await say(conversations, text)
    question = ask("four")
    opened = await conversations.begin(question)
    turn = opened.turn(question, opened.branch[2:], Message("assistant", "Yes."))
    await conversations.end(opened, question, DONE, turn)
    conversations = later(memory, conversations, restarts)
    assert await seen(conversations) == ["three", "four"]
    assert await seen(conversations, reply_to=opened.branch[1].id) == ["one", "two"]


@pytest.mark.parametrize("most_open", [1, 3])
async def test_conversations_that_left_memory_are_read_again(memory: Memory, most_open: int) -> None:
    conversations = memory.conversations(most_open=most_open)
    draw = random.Random(7)
    expected: dict[ConversationKey, list[str]] = {ConversationKey(number): [] for number in range(1, 7)}
    for number in range(40):
        key = draw.choice(list(expected))
        opened = await answer(conversations, ask(str(number), key=key))
        assert texts(opened.branch) == expected[key]
        expected[key].append(str(number))
    assert sum(conversations.find(key) is not None for key in expected) == most_open
    for restarted in (conversations, memory.conversations()):
        assert {key: await seen(restarted, key) for key in expected} == expected


async def test_a_conversation_stays_in_memory_while_a_question_is_answered(memory: Memory) -> None:
    conversations = memory.conversations(most_open=1)
    questions = [ask("one", key=HERE), ask("two", key=ELSEWHERE), ask("three", key=ConversationKey(3))]
    opened = [await conversations.begin(question) for question in questions]
    for question, each in zip(questions, opened, strict=True):
        assert conversations.find(question.key) is each.conversation
        await conversations.end(each, question, DONE, each.turn(question, (), Message("assistant", "Yes.")))
    assert await seen(conversations, ConversationKey(4)) == []
    assert [conversations.find(question.key) for question in questions] == [None, None, None]
    assert [await seen(conversations, question.key) for question in questions] == [["one"], ["two"], ["three"]]


async def test_unused_branches_of_a_long_conversation_leave_memory_and_are_read_again(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TURNS", 4)
    conversations = memory.conversations()
    one = await say(conversations, "one")
    for text in ("two", "three"):
        await say(conversations, text)
    await say(conversations, "other", reply_to=one)
    await say(conversations, "another")
    conversation = conversations.find(HERE)
    assert conversation is not None
    assert texts(list(conversation.turns.values())) == ["one", "other", "another"]
    assert await seen(conversations, reply_to=one + 2) == ["one", "two", "three"]


async def test_recent_conversations_are_the_most_recently_used(memory: Memory, conversations: Conversations) -> None:
    first, second, third = (ConversationKey(number) for number in (1, 2, 3))
    for key in (first, second, third, first):
        await say(conversations, "Hello", key=key)
    assert [each.key for each in await conversations.recent(2)] == [first, third]
    assert [each.key for each in await conversations.recent(9)] == [first, third, second]
    restarted = memory.conversations()
    await say(restarted, "Hello", key=third)
    assert [each.key for each in await restarted.recent(9)] == [third, first, second]
    assert [each.tip_id is None for each in await restarted.recent(9)] == [False, False, False]
