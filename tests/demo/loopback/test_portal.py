"""The portal's intents, the bot's presence, and whom its texts may mention."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest

from bot.demo.loopback import (
    ApiCall,
    LoopbackDiscord,
    LoopbackError,
    connect_discord_py,
    that_may_ping_many,
    without_allowed_mentions,
)
from tests.demo.loopback.client import raw_client
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot


def with_content() -> discord.Intents:
    intents = discord.Intents.default()
    intents.message_content = True
    return intents


async def test_a_withheld_intent_ends_the_session(server: LoopbackDiscord) -> None:
    await server.set_intent("message_content", is_granted=True)
    bot = SampleBot(with_content())
    with connect_discord_py(server):
        task = asyncio.create_task(bot.start(server.bot_token))
        await server.wait_for(lambda: server.bot_online)
        await server.set_intent("message_content", is_granted=False)
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await task
        await bot.close()
    assert server.granted_intents == frozenset()


async def test_a_granted_intent_is_there_for_the_next_connection(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    await server.set_intent("message_content", is_granted=True)
    async with running(SampleBot(with_content()), server) as bot:
        await server.send(ada, general, "nobody is mentioned")
        [message] = await eventually(lambda: bot.saw("message"))
        assert message.content == "nobody is mentioned"
        assert (await bot.application_info()).flags.gateway_message_content_limited
    with pytest.raises(LoopbackError, match="not a privileged intent"):
        await server.set_intent("guilds", is_granted=True)


async def test_the_bots_presence_is_known(server: LoopbackDiscord, bot: SampleBot) -> None:
    events = server.subscribe()
    await bot.change_presence(status=discord.Status.idle, activity=discord.CustomActivity("2 questions waiting"))
    presence = await server.wait_for(lambda: server.bot_presence)
    assert presence["status"] == "idle"
    assert presence["activities"][0]["state"] == "2 questions waiting"
    shown = [event.data async for event in _until_bot(events)][-1]
    assert shown["presence"] == presence


async def _until_bot(events: Any) -> Any:
    async for event in events:
        yield event
        if event.kind == "bot":
            return


BODIES: list[tuple[str, dict[str, Any], bool]] = [
    ("channel", {"content": "hi"}, True),
    ("channel", {"embeds": [{"title": "hi"}]}, True),
    ("channel", {"flags": 1 << 15, "components": [{"type": 10, "content": "hi"}]}, True),
    ("channel", {"content": "hi", "allowed_mentions": {"parse": []}}, False),
    ("edit", {"content": "hi"}, True),
    ("edit", {"components": []}, False),
    ("forum", {"name": "post", "message": {"content": "hi"}}, True),
]


@pytest.mark.parametrize(("place", "body", "is_open"), BODIES)
async def test_texts_without_allowed_mentions_are_found(
    server: LoopbackDiscord, place: str, body: dict[str, Any], is_open: bool
) -> None:
    general = server.channels[0].id
    async with raw_client(server) as client:
        if place == "forum":
            answer = await client.call("POST", f"/channels/{server.add_forum('ideas').id}/threads", body)
        elif place == "edit":
            sent = await client.send(general, allowed_mentions={"parse": []})
            answer = await client.call("PATCH", f"/channels/{general}/messages/{sent.body['id']}", body)
        else:
            answer = await client.call("POST", f"/channels/{general}/messages", body)
    assert answer.status < 300
    assert bool(without_allowed_mentions(server.calls)) == is_open


@pytest.mark.parametrize(
    ("allowed", "is_open"),
    [
        (None, True),
        ({"parse": ["everyone"]}, True),
        ({"parse": [], "roles": ["1"]}, True),
        ({"parse": [], "users": ["1", "2"]}, True),
        ({"parse": [], "users": ["1"]}, False),
        ({"parse": [], "replied_user": True}, False),
    ],
)
def test_texts_that_may_ping_many_are_found(allowed: dict[str, Any] | None, is_open: bool) -> None:
    call = ApiCall("POST", "/channels/1/messages", 200, 0.0, has_text=True, allowed_mentions=allowed)
    assert bool(that_may_ping_many([call])) == is_open


async def test_a_response_without_allowed_mentions_is_found(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    for command in ("form", "secret"):
        await server.invoke(ada, general, [command])
    await server.wait_for(lambda: server.messages(ada, general))
    assert [call.route for call in without_allowed_mentions(server.calls)] == [
        "POST /interactions/{id}/{token}/callback"
    ]
