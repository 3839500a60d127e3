"""Every change of what people said reaches the engine's caches before the store commits it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.conversation.conversations import Conversations
from bot.conversation.turn import Quote, TextFile, Turn
from bot.engine.interface import Erasure
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import ELSEWHERE, HERE, Memory, message_ids, person, say, texts

Change = Callable[[Conversations, int], Awaitable[object]]
Expected = Callable[[int], list[Erasure]]

ADA, GRACE, LINUS = person("Ada"), person("Grace"), person("Linus")
QUOTED, REPLY, STRANGER = 77, 78, 79
QUOTE = Quote(QUOTED, LINUS, "Linus", "Fish fly.", (TextFile(3, "c.txt", "third"),))
FILES = (TextFile(1, "a.txt", "first"), TextFile(2, "b.txt", "second"))


def rows(file: Path) -> list[tuple[object, ...]]:
    """What is committed of all turns."""
    connection = sqlite3.connect(file)
    try:
        turns = connection.execute("SELECT id, text, files, answer FROM turns").fetchall()
        return turns + connection.execute("SELECT turn_id, text, files FROM quotes").fetchall()
    finally:
        connection.close()


class Caches:
    """Records erasures, and checks that nothing is committed before they return."""

    def __init__(self, memory: Memory, conversations: Conversations) -> None:
        self._file = memory.file
        self._conversations = conversations
        self._before = conversations.erasures
        self._uncommitted = rows(memory.file)
        self.erasures: list[Erasure] = []
        conversations.pass_erasures_to(self.erase)

    async def erase(self, erasure: Erasure) -> None:
        assert erasure.number == self._conversations.erasures == self._before + len(self.erasures) + 1
        self.erasures.append(erasure)
        await asyncio.sleep(0.02)  # a write that did not wait would be committed by now
        assert rows(self._file) == self._uncommitted

    @property
    def criteria(self) -> list[Erasure]:
        """The erasures without their numbers."""
        return [replace(erasure, number=0) for erasure in self.erasures]


async def fill(memory: Memory, conversations: Conversations) -> int:
    """Let Ada and Grace ask one and two, the second with a quote of Linus and answered in `REPLY`; return its id."""
    await say(conversations, "one")
    two = await say(conversations, "two", "Grace", quotes=[QUOTE], files=FILES)
    conversations.replied(two, REPLY)
    await DatabaseWorkStore(memory.journal).replied(two, 0, REPLY)
    return two


async def words(conversations: Conversations) -> list[Turn]:
    """The turns that are not erased."""
    return [turn for turn in (await conversations.peek(HERE)).branch if turn.asked is not None]


def of_messages(*ids: int) -> Erasure:
    return Erasure(0, message_ids=frozenset(ids))


CHANGES = [
    pytest.param(lambda c, two: c.edit(two, "2", [1, 2]), lambda two: [of_messages(two)], id="edit"),
    pytest.param(lambda c, two: c.edit(two, "two", [1]), lambda two: [of_messages(two)], id="remove a file"),
    pytest.param(lambda c, _: c.edit(QUOTED, "Birds do.", [3]), lambda _: [of_messages(QUOTED)], id="edit a quote"),
    pytest.param(lambda c, two: c.erase([two]), lambda two: [of_messages(two)], id="erase"),
    pytest.param(lambda c, _: c.erase([QUOTED]), lambda _: [of_messages(QUOTED)], id="erase a quote"),
    pytest.param(
        lambda c, two: c.erase([STRANGER, two - 1, two]),
        lambda two: [of_messages(STRANGER, two - 1, two)],
        id="erase many",
    ),
    pytest.param(
        lambda c, _: c.erase_channels([HERE.channel_id, 9]),
        lambda _: [Erasure(0, channel_ids=frozenset({HERE.channel_id, 9}))],
        id="erase channels",
    ),
    pytest.param(lambda c, _: c.forget(ADA, None), lambda _: [Erasure(0, author_id=ADA)], id="forget everywhere"),
    pytest.param(
        lambda c, _: c.forget(LINUS, frozenset({HERE.channel_id})),
        lambda _: [Erasure(0, author_id=LINUS, channel_ids=frozenset({HERE.channel_id}))],
        id="forget here",
    ),
    pytest.param(lambda c, two: c.forget_before(two), lambda two: [Erasure(0, before_id=two)], id="retention"),
]
NO_CHANGES = [
    pytest.param(lambda c, two: c.edit(two, "two", [1, 2, 9]), lambda _: [], id="the preview of a link"),
    pytest.param(lambda c, _: c.edit(QUOTED, "Fish fly.", [3]), lambda _: [], id="the preview of a link in a quote"),
    pytest.param(lambda c, _: c.reset(HERE, next(message_ids)), lambda _: [], id="reset"),
    pytest.param(
        lambda c, _: c.set_persona(HERE.channel_id, "Be kind."),
        lambda _: [Erasure(0, channel_ids=frozenset({HERE.channel_id}))],
        id="persona",
    ),
    # It may have been read for a question that got no answer.
    pytest.param(lambda c, _: c.edit(STRANGER, "Hi", []), lambda _: [of_messages(STRANGER)], id="edit another"),
    pytest.param(lambda c, _: c.erase([STRANGER]), lambda _: [of_messages(STRANGER)], id="erase another"),
    pytest.param(lambda c, _: c.erase([]), lambda _: [], id="erase nothing"),
]


@pytest.mark.parametrize("restarted", [False, True], ids=["in memory", "not in memory"])
@pytest.mark.parametrize(("change", "expected"), CHANGES + NO_CHANGES)
async def test_each_change_is_passed_on_before_it_is_committed(
    memory: Memory, change: Change, expected: Expected, restarted: bool
) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    if restarted:
        conversations = memory.conversations()
    caches = Caches(memory, conversations)
    await change(conversations, two)
    assert caches.criteria == expected(two)


async def test_the_question_that_a_deleted_message_answered_goes_along(
    memory: Memory, conversations: Conversations
) -> None:
    two = await fill(memory, conversations)
    caches = Caches(memory, conversations)
    await conversations.erase([REPLY])
    assert caches.criteria == [of_messages(REPLY, two)]


async def test_the_store_adds_the_question_that_memory_does_not_know(memory: Memory) -> None:
    two = await fill(memory, memory.conversations())
    conversations = memory.conversations()
    caches = Caches(memory, conversations)
    await conversations.erase([REPLY])
    assert caches.criteria == [of_messages(REPLY), of_messages(two)]


async def test_an_edit_that_is_taken_back_at_once_is_two_changes(memory: Memory, conversations: Conversations) -> None:
    two = await fill(memory, conversations)
    numbers, before = list[int](), conversations.erasures

    async def erase(erasure: Erasure) -> None:
        assert erasure.message_ids == frozenset({two})
        numbers.append(erasure.number)

    conversations.pass_erasures_to(erase)
    edits = [conversations.edit(two, text, [1, 2]) for text in ("2", "two")]
    await asyncio.gather(*edits)  # the store looks up the last of them
    assert numbers == [before + 1, before + 2]
    assert [turn.asked.text for turn in await words(conversations) if turn.asked] == ["one", "two"]


async def test_during_an_outage_a_change_is_passed_on_at_once_and_again_before_its_commit(memory: Memory) -> None:
    two = await fill(memory, memory.conversations())
    conversations = memory.conversations()
    caches = Caches(memory, conversations)
    with memory.locked():
        await conversations.forget_before(1)  # notices the outage
        await conversations.erase([REPLY])
        await conversations.edit(two - 1, "1", [])
        at_once = [Erasure(0, before_id=1), of_messages(REPLY), of_messages(two), of_messages(two - 1)]
        assert caches.criteria == at_once
    await until_written(memory)
    assert caches.criteria == [*at_once, of_messages(REPLY, two, two - 1)]


async def test_what_cannot_be_looked_up_during_an_outage_is_looked_up_after_it(memory: Memory) -> None:
    two = await fill(memory, memory.conversations())
    await memory.close_connections()
    conversations = memory.conversations()
    erased: list[Erasure] = []

    async def erase(erasure: Erasure) -> None:
        erased.append(replace(erasure, number=0))

    conversations.pass_erasures_to(erase)
    with memory.lost():
        await conversations.erase([REPLY])
        assert erased == [of_messages(REPLY)]
    await until_written(memory)
    assert erased == [of_messages(REPLY), of_messages(REPLY, two)]


async def until_written(memory: Memory) -> None:
    async with asyncio.timeout(10):
        while memory.store.behind:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("change", "expected"), CHANGES)
async def test_what_is_read_with_the_number_of_an_erasure_holds_none_of_its_words(
    memory: Memory, change: Change, expected: Expected
) -> None:
    two = await fill(memory, memory.conversations())
    conversations = memory.conversations()
    before = conversations.erasures
    read: list[tuple[int, list[Turn]]] = []

    async def read_meanwhile(erasure: Erasure) -> None:
        read.append((conversations.erasures, await words(conversations)))

    conversations.pass_erasures_to(read_meanwhile)
    await change(conversations, two)
    for each in (conversations, memory.conversations()):
        assert read == [(before + 1, await words(each))]


@pytest.mark.parametrize("read_at", [1, 2])
async def test_words_that_are_read_before_the_store_finds_their_question_are_concerned_by_a_later_erasure(
    memory: Memory, read_at: int
) -> None:
    two = await fill(memory, memory.conversations())
    conversations = memory.conversations()
    erasures: list[Erasure] = []
    branch: list[str] = []

    async def read_meanwhile(erasure: Erasure) -> None:
        erasures.append(replace(erasure, number=0))
        if len(erasures) == read_at:
            branch.extend(texts((await conversations.peek(HERE)).branch))

    conversations.pass_erasures_to(read_meanwhile)
    await conversations.erase([REPLY])
    assert erasures == [of_messages(REPLY), of_messages(two)]
    assert branch == (["one", "two"] if read_at == 1 else ["one"])


async def test_without_caches_nothing_is_passed_on(conversations: Conversations) -> None:
    await say(conversations, "one", key=ELSEWHERE)
    before = conversations.erasures
    await conversations.erase_channels([ELSEWHERE.channel_id])
    assert conversations.erasures == before + 1
