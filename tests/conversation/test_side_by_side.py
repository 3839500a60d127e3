"""Questions of one conversation that are answered at the same time: what becomes of their turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.conversation import open_conversations as module
from bot.conversation.conversations import Conversations
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question
from bot.prompting.prompt import Message
from tests.conversation.memory import DONE, HERE, Memory, ask, message_ids, person, say, seen, texts
from tests.conversation.test_conversations_during_outage import outage


class Asked:
    """A question that is being answered."""

    def __init__(self, conversations: Conversations, question: Question, opened: OpenConversation) -> None:
        self._conversations = conversations
        self._question = question
        self.opened = opened
        self.id = question.id

    async def end(self, hidden: int = 0) -> None:
        """End the answer; the model did not see the oldest turns."""
        turn = self.opened.turn(self._question, self.opened.branch[hidden:], Message("assistant", "Yes."))
        await self._conversations.end(self.opened, self._question, DONE, turn)


async def begin(
    conversations: Conversations,
    text: str,
    *,
    key: ConversationKey = HERE,
    reply_to: int | None = None,
) -> Asked:
    question = ask(text, text, key=key, reply_to=reply_to)
    return Asked(conversations, question, await conversations.begin(question))


async def all_seen(memory: Memory, conversations: Conversations, key: ConversationKey = HERE) -> list[str]:
    """What the next question continues; the same now and after a restart."""
    in_memory, stored = [await seen(each, key) for each in (conversations, memory.conversations())]
    assert in_memory == stored
    return in_memory


@pytest.mark.parametrize("past", [[], ["one", "two"]])
@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
async def test_the_next_question_sees_all_in_the_order_in_which_they_ended(
    memory: Memory, conversations: Conversations, past: list[str], order: str
) -> None:
    for text in past:
        await say(conversations, text)
    asking = {text: await begin(conversations, text) for text in "abc"}
    assert {text: texts(each.opened.branch) for text, each in asking.items()} == dict.fromkeys("abc", past)
    for text in order:
        await asking[text].end()
    assert await all_seen(memory, conversations) == [*past, *order]
    for each in (conversations, memory.conversations()):
        assert [turn.depth for turn in (await each.peek(HERE)).branch] == list(range(len(past) + 3))


async def test_whoever_begins_later_sees_what_has_ended_until_then(
    memory: Memory, conversations: Conversations
) -> None:
    first, second = [await begin(conversations, text) for text in ("first", "second")]
    await second.end()
    third = await begin(conversations, "third")
    assert texts(third.opened.branch) == ["second"]
    await first.end()
    await third.end()
    assert await all_seen(memory, conversations) == ["second", "first", "third"]


@pytest.mark.parametrize("reply_first", [False, True])
async def test_a_reply_keeps_its_own_branch(memory: Memory, conversations: Conversations, reply_first: bool) -> None:
    one = await say(conversations, "one")
    await say(conversations, "two")
    reply, other = await begin(conversations, "reply", reply_to=one), await begin(conversations, "other")
    for each in (reply, other) if reply_first else (other, reply):
        await each.end()
    expected = {"reply": ["one", "reply"], "other": ["one", "two", "other"]}
    assert await all_seen(memory, conversations) == expected["other" if reply_first else "reply"]
    for present in (conversations, memory.conversations()):
        assert await seen(present, reply_to=reply.id) == expected["reply"]
        assert await seen(present, reply_to=other.id) == expected["other"]


@pytest.mark.parametrize(("reply_first", "expected"), [(True, ["one", "reply", "other"]), (False, ["one", "reply"])])
async def test_a_reply_to_the_tip_is_followed_but_follows_nothing_else(
    memory: Memory, conversations: Conversations, reply_first: bool, expected: list[str]
) -> None:
    one = await say(conversations, "one")
    reply, other = await begin(conversations, "reply", reply_to=one), await begin(conversations, "other")
    for each in (reply, other) if reply_first else (other, reply):
        await each.end()
    assert await all_seen(memory, conversations) == expected


async def test_a_tip_that_went_elsewhere_and_came_back_is_continued(
    memory: Memory, conversations: Conversations
) -> None:
    one = await say(conversations, "one")
    two = await say(conversations, "two")
    asking = await begin(conversations, "asking")
    await say(conversations, "aside", reply_to=one)
    await say(conversations, "back", reply_to=two)
    await asking.end()
    assert await all_seen(memory, conversations) == ["one", "two", "back", "asking"]


@pytest.mark.parametrize(
    ("hidden_from_first", "hidden_from_last", "expected"),
    [
        (0, 0, ["one", "two", "three", "first", "last"]),
        (1, 0, ["two", "three", "first", "last"]),
        (0, 1, ["two", "three", "first", "last"]),
        (1, 2, ["three", "first", "last"]),
        (2, 1, ["three", "first", "last"]),
        (3, 0, ["first", "last"]),
        (0, 3, ["first", "last"]),  # it saw nothing, but the next question sees both
        (3, 3, ["first", "last"]),
    ],
)
async def test_a_branch_begins_where_the_later_view_did(
    memory: Memory, conversations: Conversations, hidden_from_first: int, hidden_from_last: int, expected: list[str]
) -> None:
    for text in ("one", "two", "three"):
        await say(conversations, text)
    first, last = [await begin(conversations, text) for text in ("first", "last")]
    await first.end(hidden_from_first)
    await last.end(hidden_from_last)
    assert await all_seen(memory, conversations) == expected


async def test_first_questions_of_a_thread_follow_each_other_and_the_turn_it_grew_from(
    memory: Memory, conversations: Conversations
) -> None:
    await say(conversations, "before")
    thread = ConversationKey(await say(conversations, "grown"))
    first, last = [await begin(conversations, text, key=thread) for text in ("first", "last")]
    await last.end()
    await first.end()
    assert await all_seen(memory, conversations, thread) == ["grown", "last", "first"]
    assert await all_seen(memory, conversations) == ["before", "grown"]


async def test_an_answer_that_ends_after_a_reset_stays_where_it_was(
    memory: Memory, conversations: Conversations
) -> None:
    await say(conversations, "one")
    early, late = [await begin(conversations, text) for text in ("early", "late")]
    await early.end()
    await conversations.reset(HERE, next(message_ids))
    fresh, other = [await begin(conversations, text) for text in ("fresh", "other")]
    await other.end()
    await late.end()
    await fresh.end()
    assert await all_seen(memory, conversations) == ["other", "fresh"]
    for each in (conversations, memory.conversations()):
        assert await seen(each, reply_to=late.id) == ["one", "late"]


async def test_what_a_reply_brought_back_after_a_reset_is_not_continued_by_who_began_anew(
    memory: Memory, conversations: Conversations
) -> None:
    one = await say(conversations, "one")
    await conversations.reset(HERE, next(message_ids))
    fresh = await begin(conversations, "fresh")
    await say(conversations, "why?", reply_to=one)
    await fresh.end()
    assert await all_seen(memory, conversations) == ["fresh"]


CHANGES: list[tuple[Callable[[Conversations, dict[str, int]], Awaitable[object]], list[str]]] = [
    (lambda c, ids: c.erase([ids["both"]]), ["one", "first", "last"]),
    (lambda c, ids: c.erase([ids["first"]]), ["one", "both", "last"]),
    (lambda c, ids: c.edit(ids["both"], "edited", []), ["one", "edited", "first", "last"]),
    (lambda c, ids: c.forget(person("both"), None), ["one", "first", "last"]),
    (lambda c, ids: c.forget(person("first"), frozenset({HERE.channel_id})), ["one", "both", "last"]),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES)
@pytest.mark.parametrize("ended", [1, 2])
async def test_changes_of_turns_while_another_is_being_answered(
    memory: Memory,
    conversations: Conversations,
    change: Callable[[Conversations, dict[str, int]], Awaitable[object]],
    expected: list[str],
    ended: int,
) -> None:
    """Of what both build on, and of what ended in between; before the other answer ends, and after it."""
    await say(conversations, "one")
    ids = {"both": await say(conversations, "both", "both")}
    first, last = [await begin(conversations, text) for text in ("first", "last")]
    ids["first"] = first.id
    await first.end()
    if ended == 2:
        await last.end()
    await change(conversations, ids)
    if ended == 1:
        await last.end()
    assert await all_seen(memory, conversations) == expected


async def test_retention_leaves_a_branch_whole_whose_turns_do_not_follow_in_the_order_of_asking(
    memory: Memory, conversations: Conversations
) -> None:
    await say(conversations, "old")
    early, also_early, late = [await begin(conversations, text) for text in ("early", "also early", "late")]
    for each in (late, early, also_early):
        await each.end()
    await say(conversations, "now")
    await conversations.forget_before(late.id)
    assert await all_seen(memory, conversations) == ["late", "now"]
    await conversations.forget_before(late.id + 1)
    assert await all_seen(memory, conversations) == ["now"]
    assert [turn.id for turn in await memory.store.branch(late.id + 1)] == [late.id + 1]


async def test_an_early_question_that_ends_late_does_not_make_its_conversation_older(
    memory: Memory, conversations: Conversations
) -> None:
    early, late = [await begin(conversations, text) for text in ("early", "late")]
    await late.end()
    await early.end()
    await conversations.forget_before(late.id)
    assert await all_seen(memory, conversations) == ["late"]


async def test_turns_that_leave_memory_meanwhile_are_followed_all_the_same(
    memory: Memory, conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_TURNS", 2)
    for text in ("one", "two"):
        await say(conversations, text)
    slow = await begin(conversations, "slow")
    for text in ("three", "four"):
        await (await begin(conversations, text)).end(hidden=2)
    await slow.end()
    assert await all_seen(memory, conversations) == ["four", "slow"]


@pytest.mark.parametrize("over_before_they_end", [False, True])
async def test_questions_that_began_in_an_outage_follow_the_past_and_each_other(
    memory: Memory, over_before_they_end: bool
) -> None:
    for text in ("one", "two"):
        await say(memory.conversations(), text)
    conversations = memory.conversations()
    async with outage(memory):
        first, last = [await begin(conversations, text) for text in ("first", "last")]
        assert first.opened.branch == last.opened.branch == ()
        if not over_before_they_end:
            await last.end()
            await first.end()
    if over_before_they_end:
        await last.end()
        await first.end()
    assert await all_seen(memory, conversations) == ["one", "two", "last", "first"]


async def test_the_past_is_found_after_an_outage_although_somebody_is_always_being_answered(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    conversations = memory.conversations()
    async with outage(memory):
        asking = await begin(conversations, "lost")
    for text in ("two", "three"):
        following = await begin(conversations, text)
        assert texts(following.opened.branch)[:1] == ["one"]
        await asking.end()
        asking = following
    await asking.end()
    assert await all_seen(memory, conversations) == ["one", "lost", "two", "three"]


async def test_who_continued_a_turn_of_an_outage_follows_the_past_too(memory: Memory) -> None:
    for text in ("one", "two"):
        await say(memory.conversations(), text)
    conversations = memory.conversations()
    async with outage(memory):
        await say(conversations, "lost")
        slow = await begin(conversations, "slow")
        assert texts(slow.opened.branch) == ["lost"]
    after = await begin(conversations, "after")
    assert texts(after.opened.branch) == ["one", "two", "lost"]
    await slow.end()
    await after.end()
    assert await all_seen(memory, conversations) == ["one", "two", "lost", "slow", "after"]


async def test_a_reset_in_an_outage_separates_what_began_before_it(memory: Memory) -> None:
    one = await say(memory.conversations(), "one")
    conversations = memory.conversations()
    async with outage(memory):
        early = await begin(conversations, "early")
        await conversations.reset(HERE, next(message_ids))
        await (await begin(conversations, "fresh")).end()
        await early.end()
    assert await all_seen(memory, conversations) == ["fresh"]
    assert await seen(memory.conversations(), reply_to=early.id) == ["early"]
    assert await seen(memory.conversations(), reply_to=one) == ["one"]
