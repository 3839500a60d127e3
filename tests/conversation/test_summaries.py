"""A summary stands for the oldest turns, and no change of anything that it covers leaves it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing

import pytest

from bot.conversation.conversations import Conversations
from bot.conversation.turn import AnswerVersion, Quote, Turn
from bot.engine.interface import FinishReason
from bot.prompting.prompt import Message
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import DONE, HERE, Memory, answer, ask, person, say

Change = Callable[[Conversations, int], Awaitable[object]]

REPLY, QUOTED = 78, 77
WAYS = [
    pytest.param(False, False, id="in memory"),
    pytest.param(True, False, id="not in memory"),
    pytest.param(False, True, id="in memory, restarted afterwards"),
]
SUMMARY = "Ada likes green."


async def branch_here(conversations: Conversations) -> tuple[Turn, ...]:
    return (await conversations.peek(HERE)).branch


async def summarize(conversations: Conversations, count: int, text: str = SUMMARY) -> None:
    """Remember a summary of the first turns."""
    branch = await branch_here(conversations)
    with conversations.summaries.watched(HERE, branch[:count]) as summary_id:
        assert conversations.summaries.is_valid(summary_id)
        await conversations.summaries.remember(summary_id, Message("assistant", text))


async def fill(memory: Memory, conversations: Conversations) -> int:
    """Let Ada, Grace, Ada and Grace ask, the second with a quote of Linus; return the id of the second turn."""
    await say(conversations, "one")
    two = await say(conversations, "two", "Grace", quotes=[Quote(QUOTED, person("Linus"), "Linus", "Fish fly.")])
    await say(conversations, "three")
    await say(conversations, "four", "Grace")
    conversations.replied(two, REPLY)
    await DatabaseWorkStore(memory.journal).replied(two, 0, REPLY)
    return two


def said(branch: tuple[Turn, ...]) -> list[str]:
    """The questions, and the summaries in braces."""
    lines = []
    for turn in branch:
        if turn.asked is not None and turn.answer is not None:
            lines.append(f"{{{turn.answer.content}}}" if turn.is_summary else turn.asked.text)
    return lines


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_summary_stands_after_what_it_covers(memory: Memory, is_restarted: bool) -> None:
    conversations = memory.conversations()
    await fill(memory, conversations)
    await summarize(conversations, 2)
    if is_restarted:
        conversations = memory.conversations()
    branch = await branch_here(conversations)
    assert said(branch) == ["one", "two", f"{{{SUMMARY}}}", "three", "four"]
    covered = {(each.message_id, each.author_id) for each in branch[2].covers}
    one, two = branch[:2]
    assert covered == {(one.id, person("Ada")), (two.id, person("Grace")), (QUOTED, person("Linus"))}


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_after_a_trim_it_comes_first_in_the_branch(memory: Memory, is_restarted: bool) -> None:
    conversations = memory.conversations()
    await fill(memory, conversations)
    await summarize(conversations, 2)
    question = ask("five")
    opened = await conversations.begin(question)
    trimmed = opened.branch[2:]
    turn = opened.turn(question, trimmed, Message("assistant", "Yes."))
    assert turn.summary_id == trimmed[0].id
    assert turn.first_id == trimmed[1].id
    await conversations.end(opened, question, DONE, turn)
    if is_restarted:
        conversations = memory.conversations()
    assert said(await branch_here(conversations)) == [f"{{{SUMMARY}}}", "three", "four", "five"]
    await answer(conversations, ask("six"))
    assert said(await branch_here(conversations)) == [f"{{{SUMMARY}}}", "three", "four", "five", "six"]

    await summarize(conversations, 3, "Both.")
    *_, both = [turn for turn in await branch_here(conversations) if turn.is_summary]
    assert {covered.message_id for covered in both.covers} > {each.message_id for each in trimmed[0].covers}
    assert said(await branch_here(memory.conversations()))[3] == "{Both.}"


CHANGES: dict[str, Change] = {
    "edit": lambda c, two: c.edit(two, "2", []),
    "edit a quote": lambda c, two: c.edit(QUOTED, "Birds do.", []),
    "delete": lambda c, two: c.erase([two]),
    "delete the answer": lambda c, two: c.erase([REPLY]),
    "delete a quote": lambda c, two: c.erase([QUOTED]),
    "delete the channel": lambda c, two: c.erase_channels([HERE.channel_id]),
    "forget here": lambda c, two: c.forget(person("Grace"), frozenset({HERE.channel_id})),
    "forget everywhere": lambda c, two: c.forget(person("Grace"), None),
    "forget the quoted": lambda c, two: c.forget(person("Linus"), None),
    "retention": lambda c, two: c.forget_before(two),
}
UNRELATED: dict[str, Change] = {
    "edit a later turn": lambda c, two: c.edit(two + 2, "4", []),
    "an edit that changes nothing": lambda c, two: c.edit(two, "two", []),
    "delete something else": lambda c, two: c.erase([5]),
    "delete another channel": lambda c, two: c.erase_channels([2]),
    "forget somebody else": lambda c, two: c.forget(person("Alan"), None),
    "forget elsewhere": lambda c, two: c.forget(person("Grace"), frozenset({2})),
    "retention": lambda c, two: c.forget_before(50),
}


def stored_answers(memory: Memory) -> list[str]:
    """Those of all turns. That no byte stays in the file is tested where SQLite is told to see to it."""
    with closing(sqlite3.connect(memory.file)) as connection:
        return [row[0] for row in connection.execute("SELECT answer FROM turns")]


@pytest.mark.parametrize(("restarted_before", "restarted_after"), WAYS)
@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_of_what_it_covers_erases_it(
    memory: Memory, name: str, restarted_before: bool, restarted_after: bool
) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    await summarize(conversations, 2)
    conversations = memory.conversations() if restarted_before else conversations
    await CHANGES[name](conversations, two)
    conversations = memory.conversations() if restarted_after else conversations
    assert not [turn for turn in await branch_here(conversations) if turn.is_summary]
    assert SUMMARY not in stored_answers(memory)


@pytest.mark.parametrize(("restarted_before", "restarted_after"), WAYS)
@pytest.mark.parametrize("name", UNRELATED)
async def test_other_changes_leave_it(memory: Memory, name: str, restarted_before: bool, restarted_after: bool) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    await summarize(conversations, 2)
    conversations = memory.conversations() if restarted_before else conversations
    await UNRELATED[name](conversations, two)
    conversations = memory.conversations() if restarted_after else conversations
    assert f"{{{SUMMARY}}}" in said(await branch_here(conversations))


@pytest.mark.parametrize("name", CHANGES)
async def test_memory_loses_it_before_the_store_has_made_the_change(memory: Memory, name: str) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    await summarize(conversations, 2)
    conversation = (await conversations.peek(HERE)).conversation
    changing = asyncio.ensure_future(CHANGES[name](conversations, two))
    await asyncio.sleep(0)
    assert not [turn for turn in conversation.turns.values() if turn.is_summary]
    await changing


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_of_what_was_trimmed_long_ago_erases_it(memory: Memory, name: str, is_read: bool) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    await summarize(conversations, 2)
    question = ask("five")
    opened = await conversations.begin(question)
    turn = opened.turn(question, opened.branch[2:], Message("assistant", "Yes."))
    await conversations.end(opened, question, DONE, turn)
    conversations = memory.conversations()
    if is_read:
        assert said(await branch_here(conversations)) == [f"{{{SUMMARY}}}", "three", "four", "five"]
    await CHANGES[name](conversations, two)
    for reader in (conversations, memory.conversations()):
        assert not [turn for turn in await branch_here(reader) if turn.is_summary]
    assert SUMMARY not in stored_answers(memory)


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_reaches_a_summary_that_is_being_generated(memory: Memory, name: str) -> None:
    conversations = memory.conversations()
    two = await fill(memory, conversations)
    branch = await branch_here(conversations)
    with conversations.summaries.watched(HERE, branch[:2]) as summary_id:
        await CHANGES[name](conversations, two)
        assert not conversations.summaries.is_valid(summary_id)
    with conversations.summaries.watched(HERE, branch[2:3]) as summary_id:
        await conversations.edit(5, "unknown", [])
        assert conversations.summaries.is_valid(summary_id)


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_another_answer_to_a_covered_question_erases_it(memory: Memory, is_restarted: bool) -> None:
    conversations = memory.conversations()
    await fill(memory, conversations)
    last = ask("five")
    await answer(conversations, last)
    await say(conversations, "six")
    await summarize(conversations, 5)
    revision = await conversations.versions.begin(last)
    second = AnswerVersion(revision.next_number, Message("assistant", "No."), FinishReason.STOP)
    await conversations.versions.end(revision, DONE, second)
    reader = memory.conversations() if is_restarted else conversations
    assert said(await branch_here(reader))[-2:] == ["five", "six"]
    await summarize(conversations, 5)
    await conversations.versions.show(last.id, 1)
    reader = memory.conversations() if is_restarted else conversations
    assert said(await branch_here(reader))[-2:] == ["five", "six"]
