"""Personas: the nearest scope's applies, now and after a restart."""

from __future__ import annotations

import pytest

from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey
from tests.conversation.memory import ELSEWHERE, HERE, SYSTEM, Memory, say


@pytest.mark.parametrize("restarts", [False, True], ids=["in memory", "after a restart"])
async def test_the_nearest_persona_applies(memory: Memory, restarts: bool) -> None:
    channel, server, other = 1, 50, 51

    def make() -> Conversations:
        scopes = {7: (7, channel, server), channel: (channel, server)}
        return Conversations(memory.store, SYSTEM, lambda channel_id: scopes.get(channel_id, (channel_id, other)))

    conversations = make()
    expected = {7: SYSTEM, channel: SYSTEM, 9: SYSTEM}
    for scope, text, changes in (
        (server, "of the server", {7: "of the server", channel: "of the server"}),
        (7, "of the thread", {7: "of the thread"}),
        (channel, "of the channel", {channel: "of the channel"}),
        (7, None, {7: "of the channel"}),
        (channel, "new", {7: "new", channel: "new"}),
        (channel, None, {7: "of the server", channel: "of the server"}),
        (server, None, {7: SYSTEM, channel: SYSTEM}),
    ):
        await conversations.set_persona(scope, text)
        if restarts:
            conversations = make()
        expected |= changes
        assert {each: (await conversations.personas.system_prompt(each)).text for each in expected} == expected
        assert {each: (await conversations.peek(ConversationKey(each))).system_prompt for each in expected} == expected
    await conversations.set_persona(server, "again")
    assert await conversations.personas.first((7, channel, server)) == (server, "again")
    assert await conversations.personas.first((7, other)) is None


async def test_a_new_persona_makes_the_cached_prefix_useless(conversations: Conversations) -> None:
    for key in (HERE, ELSEWHERE):
        await say(conversations, "Hello", key=key)
    here, elsewhere = conversations.find(HERE), conversations.find(ELSEWHERE)
    assert here is not None
    assert elsewhere is not None
    here.cached_by = elsewhere.cached_by = 1
    await conversations.set_persona(HERE.channel_id, "You are a pirate.")
    assert [each.cached_by for each in (here, elsewhere)] == [None, 1]


async def test_a_deleted_channels_persona_is_gone(memory: Memory, conversations: Conversations) -> None:
    await conversations.set_persona(HERE.channel_id, "You are a pirate.")
    await conversations.erase_channels({HERE.channel_id})
    for each in (conversations, memory.conversations()):
        assert (await each.personas.system_prompt(HERE.channel_id)).text == SYSTEM, "the bot may be invited again"
