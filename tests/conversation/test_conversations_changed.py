"""Edits, deletions and forgetting, with the turn in memory, in the store, or between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

import pytest

from bot.conversation import open_conversations as module
from bot.conversation.conversations import Conversations
from bot.conversation.store import ConversationHead, ForgottenCount
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question, Quote, TextFile, Turn
from bot.storage.conversation_store import DatabaseConversationStore
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import ELSEWHERE, HERE, SYSTEM, Memory, ask, message_ids, person, say, seen, texts

Change = Callable[[Conversations, int], Awaitable[object]]

QUOTED, REPLY = 77, 78
WAYS = [
    pytest.param(False, False, id="in memory"),
    pytest.param(True, False, id="not in memory"),
    pytest.param(False, True, id="in memory, restarted afterwards"),
]


async def fill(conversations: Conversations) -> int:
    """Let Ada, Grace and Ada ask one, two and three, the last with a quote of Linus; return the id of two."""
    await say(conversations, "one")
    two = await say(conversations, "two", "Grace", files=[TextFile(1, "a.txt", "first"), TextFile(2, "b.txt", "2nd")])
    await say(conversations, "three", quotes=[Quote(QUOTED, person("Linus"), "Linus", "Fish fly.")])
    return two


async def after(memory: Memory, change: Change, restarted_before: bool, restarted_after: bool) -> Conversations:
    """The conversations of `fill` after a change of its second turn."""
    conversations = memory.conversations()
    two = await fill(conversations)
    conversations.replied(two, REPLY)
    await DatabaseWorkStore(memory.journal).replied(two, 0, REPLY)
    if restarted_before:
        conversations = memory.conversations()
    await change(conversations, two)
    return memory.conversations() if restarted_after else conversations


async def turns(conversations: Conversations) -> Sequence[Turn]:
    return (await conversations.peek(HERE)).branch


def quotes(branch: Sequence[Turn]) -> list[str]:
    return [quote.text for turn in branch if turn.asked is not None for quote in turn.asked.quotes]


@pytest.mark.parametrize(("restarted_before", "restarted_after"), WAYS)
@pytest.mark.parametrize(
    ("change", "left", "quotes_left"),
    [
        pytest.param(lambda c, two: c.edit(two, "2", [2]), ["one", "2", "three"], ["Fish fly."], id="edit"),
        pytest.param(
            lambda c, two: c.edit(QUOTED, "Birds do.", []), ["one", "two", "three"], ["Birds do."], id="edit a quote"
        ),
        pytest.param(lambda c, two: c.edit(5, "other", []), ["one", "two", "three"], ["Fish fly."], id="edit another"),
        pytest.param(lambda c, two: c.erase([two]), ["one", "three"], ["Fish fly."], id="erase"),
        pytest.param(lambda c, two: c.erase([REPLY]), ["one", "three"], ["Fish fly."], id="erase the answer"),
        pytest.param(lambda c, two: c.erase([QUOTED]), ["one", "two", "three"], [], id="erase a quote"),
        pytest.param(lambda c, two: c.erase([5, two + 1, two]), ["one"], [], id="erase many"),
        pytest.param(lambda c, two: c.erase([5]), ["one", "two", "three"], ["Fish fly."], id="erase another"),
        pytest.param(lambda c, two: c.erase_channels([HERE.channel_id]), [], [], id="erase the channel"),
        pytest.param(
            lambda c, two: c.erase_channels([2]), ["one", "two", "three"], ["Fish fly."], id="another channel"
        ),
        pytest.param(lambda c, two: c.forget(person("Ada"), None), ["two"], [], id="forget"),
        pytest.param(
            lambda c, two: c.forget(person("Linus"), frozenset({1})),
            ["one", "two", "three"],
            [],
            id="forget the quoted",
        ),
        pytest.param(
            lambda c, two: c.forget(person("Ada"), frozenset({2})),
            ["one", "two", "three"],
            ["Fish fly."],
            id="forget elsewhere",
        ),
        pytest.param(lambda c, two: c.forget_before(two + 1), ["three"], [], id="forget what is old"),
    ],
)
async def test_changes_reach_memory_and_the_store(
    memory: Memory,
    change: Change,
    left: list[str],
    quotes_left: list[str],
    restarted_before: bool,
    restarted_after: bool,
) -> None:
    conversations = await after(memory, change, restarted_before, restarted_after)
    branch = await turns(conversations)
    assert texts(branch) == left
    assert quotes(branch) == quotes_left


@pytest.mark.parametrize(("restarted_before", "restarted_after"), WAYS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c, two: c.erase([QUOTED]), id="erase"),
        pytest.param(lambda c, two: c.forget(person("Linus"), frozenset({1})), id="forget"),
        pytest.param(lambda c, two: c.forget_before(QUOTED + 1), id="forget what is old"),
    ],
)
async def test_a_question_that_only_repeated_a_message_goes_with_it(
    memory: Memory, change: Change, restarted_before: bool, restarted_after: bool
) -> None:
    conversations = memory.conversations()
    repeating = await say(conversations, "", quotes=[Quote(QUOTED, person("Linus"), "Linus", "Do fish fly?")])
    await DatabaseWorkStore(memory.journal).replied(repeating, 0, REPLY)
    if restarted_before:
        conversations = memory.conversations()
    await change(conversations, repeating)
    if restarted_after:
        conversations = memory.conversations()
    assert [turn.asked for turn in await turns(conversations)] == [None]
    assert await memory.store.turn_of(REPLY) is None


@pytest.mark.parametrize(("restarted_before", "restarted_after"), WAYS)
async def test_an_edit_keeps_the_remaining_files(memory: Memory, restarted_before: bool, restarted_after: bool) -> None:
    conversations = await after(memory, lambda c, two: c.edit(two, "2", [2]), restarted_before, restarted_after)
    (_, two, _) = await turns(conversations)
    assert two.asked is not None
    assert [file.name for file in two.asked.files] == ["b.txt"]
    assert two.answer is not None
    assert two.answer.content == "Yes."


async def test_a_branch_continues_after_its_tip_is_erased(memory: Memory, conversations: Conversations) -> None:
    two = await fill(conversations)
    await conversations.erase([two + 1])
    assert await seen(conversations) == ["one", "two"]
    await say(conversations, "four")
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["one", "two", "four"]


async def test_a_change_of_a_threads_first_turn_shows_in_the_thread(
    memory: Memory, conversations: Conversations
) -> None:
    two = await fill(conversations)
    thread = ConversationKey(two)
    await say(conversations, "in the thread", key=thread)
    await conversations.edit(two, "2", [])
    assert await seen(conversations, thread) == ["2", "in the thread"]
    await conversations.erase([two])
    for each in (conversations, memory.conversations()):
        assert await seen(each, thread) == ["in the thread"]
        assert await seen(each, ConversationKey(two + 1)) == ["three"]


async def test_forgetting_returns_how_much_there_was(conversations: Conversations) -> None:
    await fill(conversations)
    await say(conversations, "elsewhere", key=ELSEWHERE)
    await say(conversations, "about", "Grace", key=ELSEWHERE, quotes=[Quote(5, person("Ada"), "Ada", "Look.")])
    assert await conversations.forget(person("Ada"), frozenset({HERE.channel_id})) == ForgottenCount(turns=2, quotes=0)
    assert await conversations.forget(person("Ada"), None) == ForgottenCount(turns=1, quotes=1)
    assert await conversations.forget(person("Ada"), None) == ForgottenCount(turns=0, quotes=0)
    assert await conversations.forget(person("Linus"), None) == ForgottenCount(turns=0, quotes=0)
    assert await seen(conversations, ELSEWHERE) == ["about"]


async def test_only_a_change_of_the_conversation_makes_its_cached_prefix_useless(conversations: Conversations) -> None:
    two = await fill(conversations)
    conversation = conversations.find(HERE)
    assert conversation is not None
    changes: list[tuple[Awaitable[object], int | None]] = [
        (conversations.edit(5, "other", []), 1),
        (conversations.edit(two, "two", [1, 2]), 1),
        (conversations.erase([5]), 1),
        (conversations.reset(ELSEWHERE, next(message_ids)), 1),
        (conversations.edit(two, "2", []), None),
        (conversations.erase([two]), None),
        (conversations.reset(HERE, next(message_ids)), None),
    ]
    for change, cached_by in changes:
        conversation.cached_by = 1
        await change
        assert conversation.cached_by == cached_by


async def test_an_answer_that_only_the_store_knows_is_erased_in_memory(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REPLIES", 0)
    conversations = await after(memory, lambda c, _: c.erase([REPLY]), restarted_before=False, restarted_after=False)
    assert texts(await turns(conversations)) == ["one", "three"]


async def test_a_turn_is_known_even_after_it_is_erased(memory: Memory) -> None:
    conversations = memory.conversations()
    one = await say(conversations, "one")
    for each in (conversations, memory.conversations()):
        assert await each.has_turn(one)
        assert not await each.has_turn(QUOTED)
    await conversations.erase([one])
    assert await memory.conversations().has_turn(one)


async def test_a_preview_of_a_link_in_a_quoted_message_changes_nothing(conversations: Conversations) -> None:
    message = "Fish fly. " * 100
    await say(conversations, "Is that so?", quotes=[Quote(QUOTED, person("Linus"), "Linus", message)])
    conversation = conversations.find(HERE)
    assert conversation is not None
    conversation.cached_by = 1
    await conversations.edit(QUOTED, message, [])
    assert conversation.cached_by == 1
    assert quotes(await turns(conversations)) == [message]


class PausingStore(DatabaseConversationStore):
    """Pauses one call, after it has read or before it writes."""

    def __init__(self, memory: Memory, paused_call: str) -> None:
        super().__init__(memory.journal, lookup_pause_seconds=0.0)
        self._paused_call = paused_call
        self.reads = 0
        self.paused = asyncio.Event()
        self.resume = asyncio.Event()

    async def branch(self, tip_id: int) -> Sequence[Turn]:
        """Read, then pause."""
        self.reads += 1
        branch = await super().branch(tip_id)
        await self._pause("branch")
        return branch

    async def head(self, key: ConversationKey) -> ConversationHead | None:
        """Read, then pause."""
        head = await super().head(key)
        await self._pause("head")
        return head

    async def erase(self, message_ids: Collection[int]) -> Collection[int]:
        """Pause, then erase."""
        await self._pause("erase")
        return await super().erase(message_ids)

    async def _pause(self, call: str) -> None:
        if call == self._paused_call and not self.paused.is_set():
            self.paused.set()
            await self.resume.wait()


@pytest.mark.parametrize("paused_call", ["branch", "head"])
@pytest.mark.parametrize(
    ("change", "left"),
    [
        pytest.param(lambda c, two: c.edit(two, "2", []), ["one", "2", "three"], id="edit"),
        pytest.param(lambda c, two: c.erase([two]), ["one", "three"], id="erase"),
        pytest.param(lambda c, two: c.forget(person("Ada"), None), ["two"], id="forget"),
        pytest.param(lambda c, two: c.erase_channels([HERE.channel_id]), [], id="erase the channel"),
        pytest.param(lambda c, two: c.reset(HERE, next(message_ids)), [], id="reset"),
    ],
)
async def test_a_change_during_a_read_is_not_missed(
    memory: Memory, paused_call: str, change: Change, left: list[str]
) -> None:
    two = await fill(memory.conversations())
    store = PausingStore(memory, paused_call)
    conversations = Conversations(store, SYSTEM)
    question = ask("next")
    beginning = asyncio.create_task(conversations.begin(question))
    await store.paused.wait()
    await change(conversations, two)
    store.resume.set()
    opened = await beginning
    assert texts(opened.branch) == left
    await end_unanswered(conversations, opened, question)
    for each in (conversations, memory.conversations()):
        assert await seen(each) == left


async def test_messages_of_strangers_do_not_repeat_a_read(memory: Memory) -> None:
    await fill(memory.conversations())
    store = PausingStore(memory, "branch")
    conversations = Conversations(store, SYSTEM)
    reading = asyncio.create_task(conversations.peek(HERE))
    await store.paused.wait()
    for stranger in range(5, 50):
        await conversations.edit(stranger, "Hi", [])
        await conversations.erase([stranger])
    store.resume.set()
    assert texts((await reading).branch) == ["one", "two", "three"]
    assert store.reads == 1


async def test_a_turn_read_during_its_erasure_is_erased_too(memory: Memory) -> None:
    two = await fill(memory.conversations())
    store = PausingStore(memory, "erase")
    conversations = Conversations(store, SYSTEM)
    erasing = asyncio.create_task(conversations.erase([two]))
    await store.paused.wait()
    assert await seen(conversations) == ["one", "three"], "nobody is shown what is being erased"
    store.resume.set()
    await erasing
    for each in (conversations, memory.conversations()):
        assert await seen(each) == ["one", "three"]


async def end_unanswered(conversations: Conversations, opened: OpenConversation, question: Question) -> None:
    await conversations.end(opened, question, None, None)
