"""Slash commands, their buttons and their forms, as people use them."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

from bot.demo.loopback import Person
from tests.end_to_end.stage import Payload, Stage

PRIVATE = 64
THINKING = 128


async def told(stage: Stage, person: Person, channel: int, interaction_id: int) -> Payload:
    """Wait for the bot's answer to an interaction, as a person sees it."""

    def answer() -> Payload | None:
        for message in stage.discord.messages(person.id, channel):
            origin = message.get("interaction_metadata")
            if origin and origin["id"] == str(interaction_id) and not message["flags"] & THINKING:
                return message
        return None

    return await stage.discord.wait_for(answer, 20)


async def use(stage: Stage, person: Person, channel: int, command: str, **options: Any) -> Payload:
    """Use a command and return the bot's answer."""
    interaction_id = await stage.discord.invoke(person.id, channel, command.split(), options)
    return await told(stage, person, channel, interaction_id)


async def press(stage: Stage, person: Person, channel: int, message: Payload, label: str) -> None:
    """Press a message's button."""
    [button] = [one for row in message["components"] for one in row["components"] if one["label"] == label]
    await stage.discord.click(person.id, channel, int(message["id"]), button["custom_id"])


async def until_it_says(stage: Stage, person: Person, channel: int, message: Payload, start: str) -> Payload:
    """Wait until a message begins like this."""

    def found() -> Payload | None:
        seen = stage.discord.messages(person.id, channel)
        return next((one for one in seen if one["id"] == message["id"] and one["content"].startswith(start)), None)

    return await stage.discord.wait_for(found, 20)


async def form(stage: Stage, person: Person, channel: int, command: str, **options: Any) -> tuple[int, Payload]:
    """Use a command that opens a form; return the interaction's id and the form."""
    with closing(stage.discord.subscribe()) as events:
        interaction_id = await stage.discord.invoke(person.id, channel, command.split(), options)
        async with asyncio.timeout(10):
            async for event in events:
                if event.data.get("id") == interaction_id and event.data.get("modal"):
                    return interaction_id, event.data["modal"]
    raise AssertionError(f"/{command} opened no form")
