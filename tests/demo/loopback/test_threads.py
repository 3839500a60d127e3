"""Threads that the bot starts and names, and posts of a forum."""

from __future__ import annotations

import discord
import pytest

from bot.demo.loopback import CallKind, LoopbackDiscord, LoopbackError
from tests.demo.loopback.client import raw_client
from tests.demo.loopback.conftest import eventually
from tests.demo.loopback.sample_bot import SampleBot


async def test_a_thread_from_a_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    question = await server.send(ada, general, f"<@{server.bot.id}> why?")
    message = (await eventually(lambda: bot.saw("message")))[0]
    thread = await message.create_thread(name="why?", auto_archive_duration=60)
    assert (thread.id, thread.parent_id, thread.auto_archive_duration) == (question, general, 60)
    assert [entry["name"] for entry in server.channels_of(ada) if entry["kind"] == "thread"] == ["why?"]
    assert len(server.messages(ada, general)) == 1, "a thread from a message has no message of its own"
    # Discord updates the message, which is no edit.
    [update] = await eventually(lambda: bot.saw("raw edit"))
    assert update.flags.has_thread
    assert update.edited_at is None
    with pytest.raises(discord.HTTPException, match="already been created") as refused:
        await message.create_thread(name="again")
    assert (refused.value.status, refused.value.code) == (400, 160004)


@pytest.mark.parametrize(
    ("denied", "status", "code"), [("create_public_threads", 403, 50013), ("view_channel", 403, 50001)]
)
async def test_a_thread_needs_permissions(server: LoopbackDiscord, denied: str, status: int, code: int) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    question = await server.send(ada, general, "why?")
    server.set_permissions(server.bot.id, general, deny=[denied])
    assert denied not in server.permissions_of(server.bot.id, general)
    async with raw_client(server) as client:
        answer = await client.call("POST", f"/channels/{general}/messages/{question}/threads", {"name": "why?"})
    assert (answer.status, answer.code) == (status, code)


async def test_no_thread_in_a_thread_or_a_dm(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    dm, thread = await server.open_dm(ada), await server.create_thread(ada, general, "topic")
    async with raw_client(server) as client:
        for place in (dm, thread):
            message = await server.send(ada, place, "why?")
            answer = await client.call("POST", f"/channels/{place}/messages/{message}/threads", {"name": "why?"})
            assert (answer.status, answer.code) == (400, 50024)


async def test_a_third_new_name_in_ten_minutes_is_refused(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    async with raw_client(server) as client:
        message = await server.send(ada, general, "why?")
        await client.call("POST", f"/channels/{general}/messages/{message}/threads", {"name": "why?"})
        path = f"/channels/{message}"
        answers = [await client.call("PATCH", path, {"name": f"title {number}"}) for number in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert 590 < answers[2].body["retry_after"] <= 600
        assert (await client.call("PATCH", path, {"archived": True})).status == 200, "this is no new name"
    assert server.call_counts()[CallKind.RENAME, 429] == 1


async def test_posts_of_a_forum(server: LoopbackDiscord, bot: SampleBot) -> None:
    grace = server.people[1].id
    forum = server.add_forum("ideas").id
    post = await server.create_post(grace, forum, "A lamp", "What about a lamp?", files=[("lamp.txt", b"on")])
    [first] = server.messages(grace, post)
    assert (first["id"], first["attachments"][0]["filename"]) == (str(post), "lamp.txt")
    entries = [(entry["kind"], entry["name"]) for entry in server.channels_of(grace)[-2:]]
    assert entries == [("forum", "ideas"), ("thread", "A lamp")]
    with pytest.raises(LoopbackError, match="forum channel"):
        await server.send(grace, forum, "no post")
    async with raw_client(server) as client:
        assert (await client.send(forum)).code == 40058


async def test_active_threads_of_the_bots_server(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    await server.create_thread(ada, general, "topic")
    guild = bot.get_guild(server.guild_id)
    assert guild is not None
    assert [thread.name for thread in await guild.active_threads()] == ["topic"]
