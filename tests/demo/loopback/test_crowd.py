"""Many people in many channels."""

from __future__ import annotations

import time

import discord

from bot.demo.loopback import LoopbackDiscord
from tests.demo.loopback.conftest import eventually, running
from tests.demo.loopback.sample_bot import SampleBot


async def test_a_crowd_writes_quickly_and_is_heard(server: LoopbackDiscord, bot: SampleBot) -> None:
    people = [server.add_person(f"Person {number}") for number in range(1000)]
    channels = [server.add_channel(f"room-{number}") for number in range(50)]
    assert len(server.people) == 1003
    assert len({person.color for person in people}) > 1
    assert [channel.name for channel in server.channels[:4]] == ["general", "help", "random", "room-0"]
    start = time.process_time()
    for number, person in enumerate(people):
        await server.send(person.id, channels[number % 50].id, f"<@{server.bot.id}> {number}")
    await eventually(lambda: len(bot.saw("message")) == 1000)
    # The bot's own reading included: a fifth of this is usual, and only a cost that grows with the crowd reaches it.
    assert time.process_time() - start < 10
    assert {message.author.display_name for message in bot.saw("message")} == {person.name for person in people}


async def test_the_crowd_is_there_before_and_after_the_bot_comes_and_takes_dms() -> None:
    intents = discord.Intents.default()
    intents.members = True
    async with LoopbackDiscord(granted_intents=["members"]) as server:
        early = server.add_person("Early")
        quiet = server.add_channel("quiet")
        async with running(SampleBot(intents), server) as bot:
            late = server.add_person("Late")
            server.add_channel("new")
            guild = bot.get_guild(server.guild_id)
            assert guild is not None
            await eventually(lambda: guild.get_member(late.id) and len(guild.text_channels) == 5)
            assert guild.get_member(early.id)
            await server.send(early.id, quiet.id, "hello")
            await server.send(late.id, await server.open_dm(late.id), "hello to you")
            await eventually(lambda: len(bot.saw("message")) == 2)
