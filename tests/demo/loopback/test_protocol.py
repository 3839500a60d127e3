"""Discord's protocol: tokens, intents, resuming, rate limits and error bodies."""

from __future__ import annotations

import asyncio
import inspect
import io
from typing import Any

import aiohttp
import discord
import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.demo.loopback import LoopbackDiscord, LoopbackError, connect_discord_py
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot


def general(server: LoopbackDiscord, bot: SampleBot) -> discord.TextChannel:
    channel = bot.get_channel(server.channels[0].id)
    assert isinstance(channel, discord.TextChannel)
    return channel


async def gateway_close_code(server: LoopbackDiscord, *frames: Any) -> int | None:
    """Return the code with which the gateway closes a raw client that sends these frames."""
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        assert (await socket.receive_json())["op"] == 10
        for frame in frames:
            await socket.send_json(frame)
        async for _ in socket:
            pass
        return socket.close_code


async def test_a_wrong_token_is_refused_by_rest_and_gateway(server: LoopbackDiscord) -> None:
    with connect_discord_py(server), pytest.raises(discord.LoginFailure):
        await SampleBot().start(server.bot_token[:-1])
    identify = {"op": 2, "d": {"token": "wrong", "intents": 0, "properties": {}}}
    assert await gateway_close_code(server, identify) == 4004
    assert await gateway_close_code(server, {"op": 8, "d": {}}) == 4003
    assert server.bot_token.count(".") == 2


async def test_an_intent_without_a_grant_closes_with_4014(server: LoopbackDiscord) -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    with pytest.raises(discord.PrivilegedIntentsRequired):
        async with running(SampleBot(intents), server):
            pass
    identify = {"op": 2, "d": {"token": server.bot_token, "intents": intents.value, "properties": {}}}
    assert await gateway_close_code(server, identify) == 4014


async def test_granted_members_arrive_in_chunks() -> None:
    intents = discord.Intents.default()
    intents.members = True
    async with LoopbackDiscord(granted_intents=["members"]) as server, running(SampleBot(intents), server) as bot:
        guild = bot.get_guild(server.guild_id)
        assert guild is not None
        assert sorted(member.display_name for member in guild.members) == ["Ada", "Grace", "Linus", "Phi"]
        assert [member.display_name for member in await guild.query_members("gr")] == ["Grace"]
        linus = server.people[2].id
        assert [member.id for member in await guild.query_members(user_ids=[linus])] == [linus]


def test_an_unknown_intent_cannot_be_granted() -> None:
    with pytest.raises(LoopbackError, match="messages: not a privileged intent"):
        LoopbackDiscord(granted_intents=["messages"])


async def test_a_resume_delivers_missed_events(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    assert bot.ws is not None
    session_id = bot.ws.session_id
    await server.drop_gateway()
    assert not server.bot_online
    await server.send(ada, channel, f"<@{server.bot.id}> are you there?")
    await eventually(lambda: bot.saw("resumed"))
    assert [message.content for message in bot.saw("message")] == [f"<@{server.bot.id}> are you there?"]
    assert bot.ws.session_id == session_id
    await server.send(ada, channel, f"<@{server.bot.id}> good")
    await eventually(lambda: len(bot.saw("message")) == 2)


async def test_a_bot_without_its_session_identifies_again(server: LoopbackDiscord, bot: SampleBot) -> None:
    await server.invalidate_session()
    await server.wait_for(lambda: server.bot_online, 10)
    await eventually(lambda: len(bot.saw("ready")) == 2)
    assert not bot.saw("resumed")


async def test_broken_frames_and_bodies_are_refused(server: LoopbackDiscord) -> None:
    assert await gateway_close_code(server, ["no frame"]) == 4002
    assert await gateway_close_code(server, {"op": 2, "d": None}) == 4002
    identify = {"op": 2, "d": {"token": server.bot_token, "intents": 0, "properties": {}}}
    assert await gateway_close_code(server, identify, {"op": 99}) == 4001
    assert await gateway_close_code(server, identify, identify) == 4005
    resume = {"op": 6, "d": {"token": "wrong", "session_id": "", "seq": 0}}
    assert await gateway_close_code(server, resume) == 4004
    headers = {"Authorization": f"Bot {server.bot_token}"}
    url = f"{server.api_url}/channels/{server.channels[0].id}/messages"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data="{") as response:
        assert (response.status, (await response.json())["code"]) == (400, 50109)


async def test_an_autosharded_bot_connects(server: LoopbackDiscord) -> None:
    bot = discord.AutoShardedClient(intents=discord.Intents.default(), guild_ready_timeout=0.05)
    with connect_discord_py(server):
        task = asyncio.create_task(bot.start(server.bot_token))
        await server.wait_for(lambda: server.bot_online, 10)
        await bot.wait_until_ready()
        assert [guild.id for guild in bot.guilds] == [server.guild_id]
        await bot.close()
        await asyncio.wait([task])


async def test_discord_py_retries_rate_limits_and_server_errors(server: LoopbackDiscord, bot: SampleBot) -> None:
    path = f"/channels/{server.channels[0].id}/messages"
    server.fail_next("POST", "/channels/*/messages", 429, retry_after=0.3)
    await general(server, bot).send("late")
    server.fail_next("POST", path, 502)
    await general(server, bot).send("later")
    calls = [call for call in server.calls if call.path == path]
    assert [call.status for call in calls] == [429, 200, 502, 200]
    assert calls[1].at - calls[0].at >= 0.28
    assert [one["content"] for one in server.messages(server.people[0].id, server.channels[0].id)] == ["late", "later"]


async def test_interactions_can_be_rate_limited(server: LoopbackDiscord, bot: SampleBot) -> None:
    server.fail_next("POST", "/interactions/*", 429, retry_after=0.1)
    ada, channel = server.people[0].id, server.channels[0].id
    await server.invoke(ada, channel, ["echo"], {"text": "hi"})
    await server.wait_for(lambda: [one for one in server.messages(ada, channel) if one["content"] == "hi"], 5)


async def test_error_bodies_carry_discords_codes(server: LoopbackDiscord, bot: SampleBot) -> None:
    channel = general(server, bot)
    with pytest.raises(discord.HTTPException) as too_long:
        await channel.send("x" * 2001)
    assert (too_long.value.status, too_long.value.code) == (400, 50035)
    assert "In content: Must be 2000 or fewer in length." in too_long.value.text
    with pytest.raises(discord.HTTPException) as empty:
        await channel.send("")
    assert empty.value.code == 50006
    message = await channel.send("x" * 2000)
    with pytest.raises(discord.HTTPException) as emptied:
        await message.edit(content="")
    assert emptied.value.code == 50006
    await message.delete()
    with pytest.raises(discord.NotFound) as gone:
        await message.edit(content="y")
    assert gone.value.code == 10008
    with pytest.raises(discord.HTTPException) as no_target:
        await message.reply("z")
    assert no_target.value.code == 50035
    reference = message.to_reference(fail_if_not_exists=False)
    assert (await channel.send("z", reference=reference)).reference is None
    with pytest.raises(discord.HTTPException) as too_large:
        await channel.send(file=discord.File(io.BytesIO(bytes(10 * 1024 * 1024 + 1)), "big"))
    assert (too_large.value.status, too_large.value.code) == (413, 40005)


async def test_a_missing_permission_is_50013_for_the_bot_and_one_line_for_a_person(
    server: LoopbackDiscord, bot: SampleBot
) -> None:
    grace, channel = server.people[1].id, server.channels[0].id
    server.set_permissions(server.bot.id, channel, deny=["send_messages"])
    server.set_permissions(grace, channel, deny=["send_messages"])
    with pytest.raises(discord.Forbidden) as forbidden:
        await general(server, bot).send("hello")
    assert forbidden.value.code == 50013
    with pytest.raises(LoopbackError, match=r"^Discord refuses: Missing Permissions \(error 50013\)$"):
        await server.send(grace, channel, "hello")
    server.set_permissions(grace, channel, deny=["view_channel"])
    assert "general" not in [entry["name"] for entry in server.channels_of(grace)]


async def test_the_bot_receives_nothing_from_a_hidden_channel(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada = server.people[0].id
    secret, other = server.channels[2].id, server.channels[1].id
    server.set_permissions(server.bot.id, secret, deny=["view_channel"])
    await server.send(ada, secret, f"<@{server.bot.id}> can you hear me?")
    await server.send(ada, other, f"<@{server.bot.id}> and now?")
    await eventually(lambda: bot.saw("message"))
    assert [message.channel.id for message in bot.saw("message")] == [other]


async def test_people_cannot_do_what_discord_refuses(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, channel = server.people[0].id, server.people[1].id, server.channels[0].id
    message_id = await server.send(ada, channel, "mine")
    for attempt, reason in (
        (server.send(ada, channel, "x" * 2001), "2000 or fewer"),
        (server.send(ada, channel, " "), "empty message"),
        (server.send(ada, 1, "x"), "Unknown Channel"),
        (server.send(7, channel, "x"), "Missing Access"),
        (server.send(ada, channel, "x", reply_to=1), "Unknown Message"),
        (server.edit(grace, channel, message_id, "not mine"), "only their own messages"),
        (server.delete(grace, channel, message_id), "Missing Permissions"),
        (server.dismiss(grace, channel, message_id), "only ephemeral"),
        (server.open_dm(7), "no person 7"),
    ):
        with pytest.raises(LoopbackError, match=reason):
            await attempt
    assert [one["content"] for one in server.messages(ada, channel)] == ["mine"]


async def test_an_unknown_route_is_a_logged_501(
    server: LoopbackDiscord, bot: SampleBot, caplog: pytest.LogCaptureFixture
) -> None:
    guild = bot.get_guild(server.guild_id)
    assert guild is not None
    with pytest.raises(discord.DiscordServerError):
        await guild.templates()
    assert f"GET /guilds/{guild.id}/templates" in caplog.text
    assert server.calls[-1].status == 501


async def test_a_timeout_names_the_condition(server: LoopbackDiscord) -> None:
    with pytest.raises(TimeoutError, match=r"not within 0.01 s: .*server\.bot_online"):
        await server.wait_for(lambda: server.bot_online, 0.01)
    with pytest.raises(TimeoutError, match=r"^not within 0\.01 s: the bot$"):
        await server.wait_for(lambda: server.bot_online, 0.01, what="the bot")


async def test_closing_ends_subscriptions_and_tells_the_bot() -> None:
    server = LoopbackDiscord()
    await server.start()
    events = server.subscribe()
    async with aiohttp.ClientSession() as session, session.ws_connect(server.gateway_url) as socket:
        await socket.receive_json()
        closing = asyncio.create_task(server.close())
        message = await socket.receive(5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        await closing
    assert [event async for event in events] == []
    await server.close()


async def test_discord_py_is_restored(server: LoopbackDiscord) -> None:
    with connect_discord_py(server):
        assert server.api_url == Route.BASE
    assert Route.BASE == "https://discord.com/api/v10"
    assert str(DiscordWebSocket.DEFAULT_GATEWAY) == "wss://gateway.discord.gg/"


def test_every_public_method_is_documented() -> None:
    public = [thing for name, thing in inspect.getmembers(LoopbackDiscord) if not name.startswith("_")]
    assert all(inspect.getdoc(thing) for thing in public)
