"""Fetching messages and channels that the bot has not seen, above all after it was offline."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.demo.loopback import LoopbackDiscord
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot, text_file
from tests.demo.loopback.test_messages import text_channel


async def contents(channel: discord.abc.Messageable, **filters: Any) -> list[str]:
    return [message.content async for message in channel.history(**filters)]


async def test_history_before_after_and_around(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    mention = f"<@{server.bot.id}> "
    ids = [await server.send(ada, general, f"{mention}{number}") for number in range(7)]
    channel = text_channel(bot, general)
    third, fifth = discord.Object(ids[3]), discord.Object(ids[5])

    def numbers(*expected: int) -> list[str]:
        return [f"{mention}{number}" for number in expected]

    assert await contents(channel, limit=2) == numbers(6, 5)
    assert await contents(channel, limit=2, before=third) == numbers(2, 1)
    assert await contents(channel, limit=2, after=third) == numbers(4, 5)
    assert await contents(channel, after=discord.Object(ids[0]), before=fifth, oldest_first=True) == numbers(1, 2, 3, 4)
    assert await contents(channel, limit=3, around=third) == numbers(4, 3, 2)
    assert await contents(channel, after=fifth.created_at.replace(year=1 + fifth.created_at.year)) == []


async def test_history_after_a_message_spans_several_pages(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada = server.people[0].id
    dm = await server.open_dm(ada)
    first = await server.send(ada, dm, "first")
    for number in range(205):
        await server.send(ada, dm, str(number))
    channel = await bot.fetch_channel(dm)
    assert isinstance(channel, discord.DMChannel)
    found = await contents(channel, limit=None, after=discord.Object(first))
    assert found == [str(number) for number in range(205)]


async def test_a_fetched_message_has_content_only_if_the_bot_may_read_it(
    server: LoopbackDiscord, bot: SampleBot
) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    dm = await server.open_dm(ada)
    files = [("a.txt", b"a")]
    channel = text_channel(bot, general)
    own = await channel.send("own", file=text_file("b.txt", "b"))
    cases = {
        (general, await server.send(ada, general, "hidden", files=files)): ("", 0),
        (general, await server.send(ada, general, f"<@{server.bot.id}> seen", files=files)): (
            f"<@{server.bot.id}> seen",
            1,
        ),
        (general, await server.send(ada, general, "a reply", files=files, reply_to=own.id)): ("a reply", 1),
        (general, own.id): ("own", 1),
        (dm, await server.send(ada, dm, "just us", files=files)): ("just us", 1),
    }
    for (channel_id, message_id), expected in cases.items():
        message = await bot.get_partial_messageable(channel_id).fetch_message(message_id)
        assert (message.content, len(message.attachments)) == expected
    listed = [(one.content, len(one.attachments)) async for one in channel.history(oldest_first=True)]
    assert sorted(listed) == sorted(found for (where, _), found in cases.items() if where == general)
    with pytest.raises(discord.NotFound, match="10008"):
        await channel.fetch_message(12345)


async def test_channels_threads_and_dms_are_fetched(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    thread_id = await server.create_thread(ada, general, "story")
    last = await server.send(ada, thread_id, "once upon a time")
    dm = await server.open_dm(ada)
    text, thread, private = [await bot.fetch_channel(channel) for channel in (general, thread_id, dm)]
    assert isinstance(text, discord.TextChannel)
    assert isinstance(thread, discord.Thread)
    assert isinstance(private, discord.DMChannel)
    assert (thread.parent_id, thread.last_message_id) == (general, last)
    assert private.recipient is not None
    assert private.recipient.id == ada
    server.set_permissions(server.bot.id, general, deny=["view_channel"])
    with pytest.raises(discord.Forbidden, match="50001"):
        await bot.fetch_channel(thread_id)


async def test_messages_with_the_same_nonce_are_one_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general, help_channel = (server.people[0].id, *(channel.id for channel in server.channels[:2]))
    channel = text_channel(bot, general)
    first = await channel.send("one", nonce="answer-1")
    await first.edit(content="one and a half")
    again = await channel.send("one", nonce="answer-1")
    assert (again.id, again.content, again.nonce) == (first.id, "one and a half", "answer-1")
    with_a_file = await channel.send("two", nonce="answer-2", file=text_file("a.txt", "a"))
    assert (await channel.send("two", nonce="answer-2", file=text_file("a.txt", "a"))).id == with_a_file.id
    assert [message["content"] for message in server.messages(ada, general)] == ["one and a half", "two"]
    assert (await text_channel(bot, help_channel).send("three", nonce="answer-3")).id != first.id
    with pytest.raises(discord.HTTPException, match="25 or fewer"):
        await channel.send("long", nonce="x" * 26)


async def test_a_nonce_outlives_the_client_that_sent_it(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    for _ in range(2):
        async with running(SampleBot(), server) as bot:
            await text_channel(bot, general).send("the answer", nonce="answer-1")
    assert len(server.messages(ada, general)) == 1


async def test_history_has_the_messages_sent_while_the_bot_was_offline(server: LoopbackDiscord) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    dm = await server.open_dm(ada)
    thread_id = await server.create_thread(ada, general, "story")
    channel_ids = (general, thread_id, dm)
    async with running(SampleBot(), server) as bot:
        known = [await server.send(ada, channel_id, f"<@{server.bot.id}> hello") for channel_id in channel_ids]
        await eventually(lambda: len(bot.saw("message")) == len(channel_ids))
    missed = [await server.send(ada, channel_id, f"<@{server.bot.id}> are you there?") for channel_id in channel_ids]
    async with running(SampleBot(), server) as bot:
        guild = bot.get_guild(server.guild_id)
        assert guild is not None
        cached = [guild.get_channel_or_thread(general), guild.get_channel_or_thread(thread_id)]
        assert [getattr(channel, "last_message_id", None) for channel in cached] == missed[:2]
        for channel_id, last_known, expected in zip(channel_ids, known, missed, strict=True):
            channel = bot.get_partial_messageable(channel_id)
            found = [message async for message in channel.history(after=discord.Object(last_known))]
            assert [message.id for message in found] == [expected]
            assert found[0].content == f"<@{server.bot.id}> are you there?"
        assert not bot.saw("message")
