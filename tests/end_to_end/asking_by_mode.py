"""Channels with a mode, as members and moderators use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.demo.loopback import LoopbackDiscord, Person
from tests.end_to_end.commands import PRIVATE, use
from tests.end_to_end.stage import Payload, Stage, online, until

INTENT = "message_content"


@asynccontextmanager
async def reading_all(model_dir: Path, discord: LoopbackDiscord | None = None, **settings: Any) -> AsyncIterator[Stage]:
    """A bot that Discord shows every message."""
    settings = {"message_content_intent": True, "max_new_tokens": 20, **settings}
    if discord is None:
        async with (
            LoopbackDiscord(granted_intents=[INTENT]) as discord,
            online(model_dir, discord, **settings) as stage,
        ):
            yield stage
        return
    async with online(model_dir, discord, **settings) as stage:
        yield stage


async def channel_in(stage: Stage, name: str, mode: str, kind: str = "text") -> int:
    """Create a channel with a mode, which Ada sets from another one."""
    channel = stage.discord.add_channel(name, kind).id
    await until(lambda: stage.bot.application.client.get_channel(channel) is not None)
    answer = await set_mode(stage, stage.ada, stage.discord.channels[0].id, mode, where=channel)
    assert answer.startswith("From now on, "), answer
    return channel


async def set_mode(stage: Stage, person: Person, here: int, mode: str, **options: Any) -> str:
    """Use `/channel mode` and return the bot's answer."""
    answer = await use(stage, person, here, "channel mode", mode=mode, **options)
    assert answer["flags"] & PRIVATE
    return str(answer["content"])


async def shown(stage: Stage, person: Person, here: int, **options: Any) -> str:
    """Use `/channel show` and return the bot's answer."""
    answer = await use(stage, person, here, "channel show", **options)
    assert answer["flags"] & PRIVATE
    return str(answer["content"])


def bots_messages(discord: LoopbackDiscord, channel: int) -> list[Payload]:
    """The bot's messages in a channel as Ada sees them, the oldest first."""
    seen = discord.messages(discord.people[0].id, channel)
    return [message for message in seen if message["author"]["id"] == str(discord.bot.id) and not message["type"] % 19]


def setting(channel: int, mode: str, since_id: int = 1) -> ModeSetting:
    return ModeSetting(channel, ChannelMode(mode), since_id)


async def is_not_asked(stage: Stage, person: Person, channel: int, text: str, **more: Any) -> None:
    """Send a message and a mention after it, and check that only the mention is answered."""
    before = len(bots_messages(stage.discord, channel))
    await stage.discord.send(person.id, channel, text, **more)
    question = await stage.mention(person, channel, "Hello?")
    await stage.answer(person, channel, question)
    assert len(bots_messages(stage.discord, channel)) == before + 1, text
