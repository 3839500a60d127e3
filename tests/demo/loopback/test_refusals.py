"""Refusals that follow from the state of the guild, with Discord's error codes."""

from __future__ import annotations

import asyncio

import discord
import pytest

from bot.demo.loopback import CallKind, LoopbackDiscord, LoopbackError
from tests.demo.loopback.client import RawClient, raw_client
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot


class ListeningBot(SampleBot):
    """Keeps interactions, for the test to answer."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[discord.Interaction] = []

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.heard.append(interaction)


async def thread_with_a_message(server: LoopbackDiscord, client: RawClient) -> tuple[int, int]:
    """Return the ids of Grace's thread and of the bot's message in it."""
    thread = await server.create_thread(server.people[1].id, server.channels[0].id, "a thread")
    return thread, int((await client.send(thread)).body["id"])


async def test_a_file_needs_attach_files_in_a_message_and_in_an_edit(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        message = int((await client.send(channel)).body["id"])
        server.set_permissions(server.bot.id, channel, deny=["attach_files"])
        path = f"/channels/{channel}/messages"
        refused = await client.send_file("POST", path)
        assert (refused.status, refused.code) == (403, 50013)
        refused = await client.send_file("PATCH", f"{path}/{message}")
        assert (refused.status, refused.code) == (403, 50013)
        assert (await client.edit(channel, message)).status == 200
        server.set_permissions(server.bot.id, channel, deny=["embed_links"])
        assert (await client.send_file("POST", path)).status == 200
        assert (await client.send(channel, embeds=[{"title": "t"}])).code == 50013


async def test_a_hidden_channel_is_50001_for_every_call(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        message = int((await client.send(channel)).body["id"])
        server.set_permissions(server.bot.id, channel, deny=["view_channel"])
        path = f"/channels/{channel}"
        for method, place in (
            ("POST", f"{path}/messages"),
            ("PATCH", f"{path}/messages/{message}"),
            ("DELETE", f"{path}/messages/{message}"),
            ("GET", f"{path}/messages"),
            ("POST", f"{path}/typing"),
            ("GET", path),
        ):
            refused = await client.call(method, place, {"content": "x"} if "messages" in place else None)
            assert (refused.status, refused.code) == (403, 50001), (method, place)


async def test_a_timeout_leaves_only_reading(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        message = int((await client.send(channel)).body["id"])
        server.time_out(server.bot.id, 600)
        assert (await client.send(channel)).code == 50013
        assert (await client.edit(channel, message)).status == 200
        assert (await client.call("GET", f"/channels/{channel}/messages")).status == 200
        server.time_out(server.bot.id, 0)
        assert (await client.send(channel)).status == 200


async def test_a_bot_hears_of_its_own_timeout_without_the_members_intent(server: LoopbackDiscord) -> None:
    async with running(SampleBot(), server) as bot:
        me = bot.guilds[0].me
        server.time_out(server.people[2].id, 600)
        server.time_out(server.bot.id, 600)
        await eventually(me.is_timed_out)


async def test_writing_beside_a_voice_channel_needs_connect(server: LoopbackDiscord) -> None:
    async with raw_client(server) as client:
        for kind in ("voice", "stage_voice"):
            channel = server.add_channel(kind, kind).id
            assert (await client.send(channel)).status == 200
            server.set_permissions(server.bot.id, channel, deny=["connect"])
            assert (await client.send(channel)).code == 50001


async def test_what_is_gone_is_unknown(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[2].id
    async with raw_client(server) as client:
        message = int((await client.send(channel)).body["id"])
        await server.delete(ada, channel, message)
        assert (await client.edit(channel, message)).code == 10008
        assert (await client.call("DELETE", f"/channels/{channel}/messages/{message}")).code == 10008
        await server.delete_channel(ada, channel)
        assert (await client.send(channel)).code == 10003
        assert (await client.edit(channel, message)).code == 10003
        assert (await client.call("POST", f"/channels/{channel}/typing")).code == 10003


async def test_a_reply_needs_the_history(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    reference = {"message_id": str(await server.send(ada, channel, "a question")), "channel_id": str(channel)}
    server.set_permissions(server.bot.id, channel, deny=["read_message_history"])
    async with raw_client(server) as client:
        refused = await client.send(channel, message_reference=reference)
        assert (refused.status, refused.code) == (400, 160002)
        assert (await client.send(channel)).status == 200


async def test_a_closed_thread_refuses_changes_and_opens_by_a_message(server: LoopbackDiscord) -> None:
    grace, linus = server.people[1].id, server.people[2].id
    async with raw_client(server) as client:
        thread, message = await thread_with_a_message(server, client)
        path = f"/channels/{thread}"
        with pytest.raises(LoopbackError, match="50013"):
            await server.archive_thread(linus, thread)
        await server.archive_thread(grace, thread)
        for method, place, body in (
            ("PATCH", f"{path}/messages/{message}", {"content": "x"}),
            ("DELETE", f"{path}/messages/{message}", None),
            ("PUT", f"{path}/messages/{message}/reactions/%F0%9F%91%8D/@me", None),
            ("PUT", f"{path}/thread-members/@me", None),
            ("PATCH", path, {"name": "renamed"}),
            ("PATCH", path, {"locked": True}),
        ):
            refused = await client.call(method, place, body)
            assert (refused.status, refused.code) == (400, 50083), (method, place)
        with pytest.raises(LoopbackError, match="50083"):
            await server.react(grace, thread, message, "👍")
        assert (await client.send(thread)).status == 200
        assert (await client.edit(thread, message)).status == 200
        await server.archive_thread(grace, thread)
        await server.send(linus, thread, "open again")
        assert (await client.edit(thread, message)).status == 200


async def test_a_threads_name_has_one_to_a_hundred_characters(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    async with raw_client(server) as client:
        for name in ("", " ", "x" * 101):
            refused = await client.call("POST", f"/channels/{channel}/threads", {"name": name})
            assert (refused.status, refused.code) == (400, 50035)
            with pytest.raises(LoopbackError, match="50035"):
                await server.create_thread(ada, channel, name)
        thread = await client.call("POST", f"/channels/{channel}/threads", {"name": "x" * 100})
        assert thread.status == 200
        assert (await client.call("PATCH", f"/channels/{thread.body['id']}", {"name": ""})).code == 50035


async def test_a_reaction_is_an_emoji(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    message = await server.send(ada, channel, "a message")
    for emoji in ("", "smile", "x" * 5000, "👍" * 33):
        with pytest.raises(LoopbackError, match="10014"):
            await server.react(ada, channel, message, emoji)
    await server.react(ada, channel, message, "👩‍👩‍👧‍👦")


async def test_whoever_may_send_opens_a_closed_thread_without_a_message(server: LoopbackDiscord) -> None:
    channel = server.channels[0].id
    async with raw_client(server) as client:
        thread, message = await thread_with_a_message(server, client)
        server.set_permissions(server.bot.id, channel, deny=["manage_threads", "manage_channels"])
        await server.archive_thread(server.people[1].id, thread)
        opened = await client.call("PATCH", f"/channels/{thread}", {"archived": False})
        assert (opened.status, opened.body["thread_metadata"]["archived"]) == (200, False)
        assert (await client.edit(thread, message)).status == 200
        assert (await client.call("PATCH", f"/channels/{thread}", {"name": "mine"})).code == 50013
        server.set_permissions(server.bot.id, channel, deny=["send_messages_in_threads", "manage_threads"])
        await server.archive_thread(server.people[1].id, thread)
        assert (await client.call("PATCH", f"/channels/{thread}", {"archived": False})).code == 50013


async def test_a_locked_thread_opens_only_for_moderators(server: LoopbackDiscord) -> None:
    ada, grace, channel = server.people[0].id, server.people[1].id, server.channels[0].id
    async with raw_client(server) as client:
        thread, message = await thread_with_a_message(server, client)
        with pytest.raises(LoopbackError, match="50013"):
            await server.archive_thread(grace, thread, lock=True)
        await server.archive_thread(ada, thread, lock=True)
        server.set_permissions(server.bot.id, channel, deny=["manage_threads"])
        refused = await client.send(thread)
        assert (refused.status, refused.code) == (400, 160005)
        assert (await client.call("PATCH", f"/channels/{thread}", {"archived": False})).code == 50013
        with pytest.raises(LoopbackError, match="160005"):
            await server.send(grace, thread, "hello?")
        with pytest.raises(LoopbackError, match="50013"):
            await server.reopen_thread(grace, thread)
        await server.reopen_thread(ada, thread)
        assert (await client.edit(thread, message)).status == 200
        await server.send(grace, thread, "thank you")
        own = (await client.call("POST", f"/channels/{channel}/threads", {"name": "the bot's"})).body["id"]
        assert (await client.call("PATCH", f"/channels/{own}", {"name": "its own name"})).status == 200
        await server.archive_thread(ada, int(own), lock=True)
        reopening = {"archived": False, "name": "open"}
        assert (await client.call("PATCH", f"/channels/{own}", reopening)).code == 50013


async def test_a_response_in_a_locked_thread_is_refused(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada = server.people[0].id
    thread = await server.create_thread(ada, server.channels[0].id, "a thread")
    await server.archive_thread(ada, thread, lock=True)
    await server.invoke(ada, thread, ["secret"])
    await server.wait_for(lambda: server.call_counts()[CallKind.CALLBACK, 403], 10)
    assert server.calls[-1].code == 50083


async def test_a_closed_dm_is_50007(server: LoopbackDiscord) -> None:
    grace = server.people[1].id
    dm = await server.open_dm(grace)
    async with raw_client(server) as client:
        message = int((await client.send(dm)).body["id"])
        server.set_dms_open(grace, False)
        refused = await client.send(dm)
        assert (refused.status, refused.code) == (403, 50007)
        assert (await client.edit(dm, message)).status == 200
        opened = await client.call("POST", "/users/@me/channels", {"recipient_id": str(grace)})
        assert opened.body["id"] == str(dm)
        server.set_dms_open(grace, True)
        assert (await client.send(dm)).status == 200


async def test_automod_blocks_a_word(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, channel = server.people[0].id, server.people[1].id, server.channels[0].id
    server.block_word("Bother")
    async with raw_client(server) as client:
        refused = await client.send(channel, "oh bother!")
        assert (refused.status, refused.code) == (400, 200000)
        message = int((await client.send(channel, "bothersome")).body["id"])
        assert (await client.edit(channel, message, "BOTHER")).code == 200000
        assert (await client.call("POST", f"/channels/{channel}/threads", {"name": "bother"})).code == 200001
        assert (await client.send(await server.open_dm(grace), "bother")).status == 200
    with pytest.raises(LoopbackError, match="200000"):
        await server.send(grace, channel, "bother")
    with pytest.raises(LoopbackError, match="200000"):
        await server.edit(grace, channel, await server.send(grace, channel, "fine"), "bother")
    await server.send(ada, channel, "bother")
    await server.invoke(ada, channel, ["echo"], {"text": "bother"})
    await server.wait_for(lambda: server.call_counts()[CallKind.CALLBACK, 400], 10)
    assert server.calls[-1].code == 200000


async def test_an_interaction_is_unknown_after_three_seconds_and_acknowledged_once(server: LoopbackDiscord) -> None:
    ada, channel = server.people[0].id, server.channels[0].id
    bot = ListeningBot()
    async with running(bot, server), raw_client(server) as client:
        await server.invoke(ada, channel, ["silent"])
        await server.invoke(ada, channel, ["silent"])
        await eventually(lambda: len(bot.heard) == 2)
        first, second = bot.heard
        path = f"/interactions/{first.id}/{first.token}/callback"
        followup = f"/webhooks/{server.bot.id}/{first.token}"
        assert (await client.call("POST", followup, {"content": "too early"})).code == 10015
        response = {"type": 4, "data": {"content": "hello"}}
        assert (await client.call("POST", path, response)).status == 204
        again = await client.call("POST", path, response)
        assert (again.status, again.code) == (400, 40060)
        assert (await client.call("POST", followup, {"content": "more"})).status == 204
        server.expire_interaction(first.id)
        for method, place in (("POST", followup), ("PATCH", f"{followup}/messages/@original")):
            expired = await client.call(method, place, {"content": "too late"})
            assert (expired.status, expired.code) == (401, 50027)
        await asyncio.sleep(3.1 - (discord.utils.utcnow() - second.created_at).total_seconds())
        missed = await client.call("POST", f"/interactions/{second.id}/{second.token}/callback", response)
        assert (missed.status, missed.code) == (404, 10062)
