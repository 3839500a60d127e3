"""Edits and deletions of messages and channels, as the bot receives them."""

from __future__ import annotations

import discord
import pytest

from bot.demo.loopback import LoopbackDiscord, LoopbackError
from tests.demo.loopback.conftest import eventually
from tests.demo.loopback.sample_bot import SampleBot


async def test_an_edit_arrives_with_the_whole_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    files = [("a.txt", b"a"), ("b.txt", b"b")]
    answered = await server.send(ada, general, "the first")
    message_id = await server.send(grace, general, f"<@{server.bot.id}> one", files=files, reply_to=answered)
    await server.edit(grace, general, message_id, f"<@{server.bot.id}> and <@{ada}>", without_files=["a.txt"])
    (after,) = await eventually(lambda: bot.saw("raw edit"))
    assert (after.id, after.channel.id, after.guild.id) == (message_id, general, server.guild_id)
    assert after.content == f"<@{server.bot.id}> and <@{ada}>"
    assert {user.id for user in after.mentions} == {server.bot.id, ada}
    assert isinstance(after.author, discord.Member)
    assert after.author.display_name == "Grace"
    assert (after.reference.message_id, after.edited_at is not None) == (answered, True)
    assert [attachment.filename for attachment in after.attachments] == ["b.txt"]
    assert await after.attachments[0].read() == b"b"


async def test_the_last_attachment_of_an_empty_message_stays(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message_id = await server.send(ada, general, "", files=[("a.txt", b"a"), ("b.txt", b"b")])
    await server.edit(ada, general, message_id, "", without_files=["a.txt"])
    with pytest.raises(LoopbackError, match="empty message"):
        await server.edit(ada, general, message_id, "", without_files=["b.txt"])
    (message,) = server.messages(ada, general)
    assert [one["filename"] for one in message["attachments"]] == ["b.txt"]


async def test_an_edit_without_a_mention_is_hidden_until_it_has_one(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message_id = await server.send(ada, general, "one", files=[("a.txt", b"a")])
    for content in ("two", f"<@{server.bot.id}> three", "four"):
        await server.edit(ada, general, message_id, content)
    edits = await eventually(lambda: len(bot.saw("raw edit")) == 3 and bot.saw("raw edit"))
    shown = [(edit.content, [one.filename for one in edit.attachments]) for edit in edits]
    assert shown == [("", []), (f"<@{server.bot.id}> three", ["a.txt"]), ("", [])]


async def test_a_bulk_deletion_is_one_event(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    ids = [await server.send(grace, general, f"message {number}") for number in range(4)]
    events = server.subscribe()
    with pytest.raises(LoopbackError, match="Missing Permissions"):
        await server.bulk_delete(grace, general, ids)
    server.set_permissions(grace, general, allow=["manage_messages"])
    await server.bulk_delete(grace, general, [*ids[:3], 12345])
    (payload,) = await eventually(lambda: bot.saw("bulk delete"))
    assert (payload.message_ids, payload.channel_id, payload.guild_id) == (set(ids[:3]), general, server.guild_id)
    assert [int(message["id"]) for message in server.messages(ada, general)] == ids[3:]
    events.close()
    deleted = [event.data["id"] async for event in events if event.kind == "message_delete"]
    assert deleted == [str(message_id) for message_id in ids[:3]]
    assert not bot.saw("delete")


async def test_a_bulk_deletion_has_its_limits(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    for number in (1, 101):
        with pytest.raises(LoopbackError, match=f"takes 2 to 100 messages, not {number}"):
            await server.bulk_delete(ada, general, range(number))
    with pytest.raises(LoopbackError, match="one by one"):
        await server.bulk_delete(ada, await server.open_dm(ada), [1, 2])


async def test_a_thread_is_deleted(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    thread_id = await server.create_thread(grace, general, "story")
    thread = (await eventually(lambda: bot.saw("thread")))[0]
    with pytest.raises(LoopbackError, match="Missing Permissions"):
        await server.delete_channel(grace, thread_id)
    await server.delete_channel(ada, thread_id)
    assert await eventually(lambda: bot.saw("thread delete")) == [thread_id]
    assert [entry["kind"] for entry in server.channels_of(ada)] == ["text"] * 3
    with pytest.raises(discord.NotFound, match="10003"):
        await thread.send("too late")


async def test_a_channel_is_deleted_with_its_threads(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, linus, help_channel = server.people[0].id, server.people[2].id, server.channels[1].id
    dm = await server.open_dm(ada)
    thread_id = await server.create_thread(linus, help_channel, "story")
    await eventually(lambda: bot.saw("thread"))
    for person, channel, reason in ((linus, help_channel, "Missing Permissions"), (ada, dm, "cannot be deleted")):
        with pytest.raises(LoopbackError, match=reason):
            await server.delete_channel(person, channel)
    await server.delete_channel(ada, help_channel)
    assert await eventually(lambda: bot.saw("channel delete")) == [help_channel]
    assert await eventually(lambda: bot.saw("thread delete")) == [thread_id]
    assert [entry["name"] for entry in server.channels_of(linus)] == ["general", "random"]
    for gone in (help_channel, thread_id):
        with pytest.raises(discord.NotFound, match="10003"):
            await bot.fetch_channel(gone)
