"""Messages, replies, files, typing, threads and DMs, seen by the person and by the bot."""

from __future__ import annotations

import aiohttp
import discord
import pytest

from bot.demo.loopback import LoopbackDiscord, LoopbackError
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot, text_file


def text_channel(bot: SampleBot, channel_id: int) -> discord.TextChannel:
    channel = bot.get_channel(channel_id)
    assert isinstance(channel, discord.TextChannel)
    return channel


async def test_the_bot_sees_the_guild(server: LoopbackDiscord, bot: SampleBot) -> None:
    guild = bot.get_guild(server.guild_id)
    assert guild is not None
    assert guild.name == "Phi's playground"
    assert [channel.name for channel in guild.text_channels] == ["general", "help", "random"]
    assert bot.user is not None
    assert (bot.user.id, bot.user.name, bot.application_id) == (server.bot.id, "Phi", server.bot.id)
    ada = await guild.fetch_member(server.people[0].id)
    assert (ada.display_name, guild.owner_id) == ("Ada", ada.id)
    information = await bot.application_info()
    assert information.owner.id == ada.id


async def test_only_a_message_that_mentions_the_bot_has_content(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    await server.send(ada, general, "just chatting")
    await server.send(ada, general, f"<@{server.bot.id}> hello", files=[("note.txt", b"hi")])
    first, second = await eventually(lambda: len(bot.saw("message")) == 2 and bot.saw("message"))
    assert (first.content, first.author.display_name) == ("", "Ada")
    assert (second.content, second.mentions) == (f"<@{server.bot.id}> hello", [bot.user])
    assert await second.attachments[0].read() == b"hi"


async def test_with_the_intent_every_message_has_content() -> None:
    intents = discord.Intents.default()
    intents.message_content = True
    async with (
        LoopbackDiscord(granted_intents=["message_content"]) as server,
        running(SampleBot(intents), server) as bot,
    ):
        assert bot.application_flags.gateway_message_content_limited
        await server.send(server.people[0].id, server.channels[0].id, "just chatting")
        (message,) = await eventually(lambda: bot.saw("message"))
        assert message.content == "just chatting"


async def test_a_reply_refers_to_its_message_and_mentions_its_author(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    await server.send(ada, general, f"<@{server.bot.id}> hello")
    (message,) = await eventually(lambda: bot.saw("message"))
    answer = await message.reply("hello Ada")
    shown = server.messages(ada, general)[-1]
    assert (shown["content"], shown["referenced_message"]["id"]) == ("hello Ada", str(message.id))
    assert [user["id"] for user in shown["mentions"]] == [str(ada)]
    await server.send(ada, general, "and again", reply_to=answer.id)
    again = await eventually(lambda: [one for one in bot.saw("message") if one.content == "and again"])
    assert again[0].reference.message_id == answer.id


async def test_edits_arrive_in_order(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    events = server.subscribe()
    message = await text_channel(bot, general).send("0")
    for number in range(1, 4):
        await message.edit(content=str(number))
    await message.delete()
    events.close()
    shown = [(event.kind, event.data.get("content")) async for event in events]
    assert shown == [
        ("message", "0"),
        ("message_edit", "1"),
        ("message_edit", "2"),
        ("message_edit", "3"),
        ("message_delete", None),
    ]
    assert server.messages(ada, general) == []
    methods = [call.method for call in server.calls if call.path.startswith(f"/channels/{general}/messages")]
    assert methods == ["POST", "PATCH", "PATCH", "PATCH", "DELETE"]


async def test_the_bots_files_can_be_downloaded(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message = await text_channel(bot, general).send(
        "here", files=[text_file("a b.txt", "one"), text_file("b.txt", "two")]
    )
    await message.edit(attachments=[message.attachments[1], text_file("c.txt", "three")])
    (shown,) = server.messages(ada, general)
    assert [one["filename"] for one in shown["attachments"]] == ["b.txt", "c.txt"]
    assert shown["attachments"][0]["description"] == "a note"
    async with aiohttp.ClientSession() as session, session.get(shown["attachments"][1]["url"]) as response:
        assert (response.status, await response.text(), response.content_type) == (200, "three", "text/plain")
    assert await message.attachments[0].read() == b"one"


async def test_a_persons_edit_deletion_and_reaction_reach_the_bot(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message_id = await server.send(ada, general, f"<@{server.bot.id}> one")
    await eventually(lambda: bot.saw("message"))
    await server.edit(ada, general, message_id, f"<@{server.bot.id}> two")
    await server.react(ada, general, message_id, "👍")
    await server.delete(ada, general, message_id)
    await eventually(lambda: bot.saw("delete") == [message_id])
    assert [message.content for message in bot.saw("edit")] == [f"<@{server.bot.id}> two"]
    assert bot.saw("reaction") == ["👍"]


async def test_the_bots_reaction_shows(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message_id = await server.send(ada, general, "well done")
    await text_channel(bot, general).get_partial_message(message_id).add_reaction("👀")
    assert server.messages(ada, general)[0]["reactions"][0]["emoji"]["name"] == "👀"


async def test_typing_shows_both_ways_and_ends_with_a_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    grace, general = server.people[1].id, server.channels[0].id
    await server.start_typing(grace, general)
    (typing,) = await eventually(lambda: bot.saw("typing"))
    assert (typing.channel_id, typing.user.display_name) == (general, "Grace")
    async with text_channel(bot, general).typing():
        assert server.typing(general) == [grace, server.bot.id]
    await text_channel(bot, general).send("done")
    assert server.typing(general) == [grace]
    await server.send(grace, general, "done too")
    assert server.typing(general) == []


async def test_a_dm_is_between_one_person_and_the_bot(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace = server.people[0].id, server.people[1].id
    channel_id = await server.open_dm(ada)
    assert channel_id == await server.open_dm(ada)
    await server.start_typing(ada, channel_id)
    await server.send(ada, channel_id, "just us")
    (message,) = await eventually(lambda: bot.saw("message"))
    assert isinstance(message.channel, discord.DMChannel)
    assert message.content == "just us"
    await message.channel.send("yes")
    assert [one["content"] for one in server.messages(ada, channel_id)] == ["just us", "yes"]
    assert server.channels_of(ada)[-1] == {
        **{"id": str(channel_id), "name": "Phi", "kind": "dm"},
        **{"parent_id": None, "server_id": None},
    }
    assert all(entry["kind"] == "text" for entry in server.channels_of(grace))
    with pytest.raises(LoopbackError, match="Missing Access"):
        server.messages(grace, channel_id)


async def test_the_bot_can_open_the_dm(server: LoopbackDiscord, bot: SampleBot) -> None:
    linus = server.people[2].id
    user = await bot.fetch_user(linus)
    await user.send("hello Linus")
    dm = server.channels_of(linus)[-1]
    assert [one["content"] for one in server.messages(linus, int(dm["id"]))] == ["hello Linus"]


async def test_threads_of_a_person_and_of_the_bot(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    message_id = await server.send(ada, general, f"<@{server.bot.id}> a long story")
    thread_id = await server.create_thread(ada, general, "story", message_id=message_id)
    thread = (await eventually(lambda: bot.saw("thread")))[0]
    assert (thread.id, thread.name, thread.parent_id) == (message_id, "story", general)
    await server.send(ada, thread_id, f"<@{server.bot.id}> go on")
    message = (await eventually(lambda: bot.saw("message")[1:]))[0]
    assert message.channel.id == thread_id
    await message.channel.send("and then")
    assert [one["content"] for one in server.messages(ada, thread_id)][-1] == "and then"
    of_the_bot = await text_channel(bot, server.channels[1].id).create_thread(
        name="mine", type=discord.ChannelType.public_thread
    )
    threads = [entry for entry in server.channels_of(ada) if entry["kind"] == "thread"]
    assert [(entry["name"], entry["parent_id"]) for entry in threads] == [
        ("story", str(general)),
        ("mine", str(server.channels[1].id)),
    ]
    assert threads[1]["id"] == str(of_the_bot.id)


async def test_history_hides_content_as_the_gateway_does(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    await server.send(ada, general, "hidden")
    await text_channel(bot, general).send("own")
    await server.send(ada, general, f"<@{server.bot.id}> seen")
    history = [message.content async for message in text_channel(bot, general).history(limit=10, oldest_first=True)]
    assert history == ["", "own", f"<@{server.bot.id}> seen"]
