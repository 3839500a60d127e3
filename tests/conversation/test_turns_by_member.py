"""All that a member asked, wherever it is: in memory, in the store, or before a reset."""

from __future__ import annotations

from bot.conversation.conversations import Conversations
from tests.conversation.memory import ELSEWHERE, HERE, Memory, message_ids, person, say, texts

ADA = person("Ada")


async def asked_by_ada(conversations: Conversations) -> tuple[list[str], bool]:
    turns, all_known = await conversations.turns_by(ADA, [HERE])
    return texts(turns), all_known


async def test_branches_and_what_came_before_a_reset_are_found(memory: Memory, conversations: Conversations) -> None:
    one = await say(conversations, "one")
    await say(conversations, "two", "Grace")
    await say(conversations, "three")
    await say(conversations, "branch", reply_to=one)
    await say(conversations, "elsewhere", key=ELSEWHERE)
    await conversations.reset(HERE, next(message_ids))
    await say(conversations, "four")
    for each in (conversations, memory.conversations()):
        assert await asked_by_ada(each) == (["one", "three", "branch", "four"], True)


async def test_a_deletion_that_waits_for_the_end_of_an_outage_counts(memory: Memory) -> None:
    one = await say(memory.conversations(), "one")
    await say(memory.conversations(), "two")
    conversations = memory.conversations()
    with memory.locked():
        await conversations.erase([one])
        await conversations.edit(one + 1, "2", [])
        assert memory.store.behind
        assert await asked_by_ada(conversations) == (["2"], True)


async def test_without_the_store_only_memory_is_known(memory: Memory) -> None:
    await say(memory.conversations(), "one")
    conversations = memory.conversations()
    await memory.close_connections()
    with memory.lost():
        await say(conversations, "two")
        assert await asked_by_ada(conversations) == (["two"], False)
