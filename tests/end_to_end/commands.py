"""Slash commands, their buttons and their forms, as members use them."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

from bot.demo.loopback import Person
from tests.end_to_end.stage import Payload, Stage

PRIVATE = 64
THINKING = 128
_PATIENCE_SECONDS = 60


async def response(stage: Stage, person: Person, channel: int, interaction_id: int) -> Payload:
    """Wait for the bot's response to an interaction, and return it as the member sees it."""

    def found() -> Payload | None:
        for message in stage.discord.messages(person.id, channel):
            origin = message.get("interaction_metadata")
            if origin and origin["id"] == str(interaction_id) and not message["flags"] & THINKING:
                return message
        return None

    return await stage.discord.wait_for(found, _PATIENCE_SECONDS)


async def use(stage: Stage, person: Person, channel: int, command: str, **options: Any) -> Payload:
    """Use a command and return the bot's response."""
    interaction_id = await stage.discord.invoke(person.id, channel, command.split(), options)
    return await response(stage, person, channel, interaction_id)


async def model_info(stage: Stage, person: Person | None = None) -> str:
    """Return what `/model info` says to a person, by default to a member."""
    channel = await stage.fresh_channel("info")
    return str((await use(stage, person or stage.grace, channel, "model info"))["content"])


async def press(stage: Stage, person: Person, channel: int, message: Payload, label: str) -> None:
    """Press a message's button."""
    [button] = [one for row in message["components"] for one in row["components"] if one["label"] == label]
    await stage.discord.click(person.id, channel, int(message["id"]), button["custom_id"])


async def edited_to(stage: Stage, person: Person, channel: int, message: Payload, start: str) -> Payload:
    """Wait until a message starts with this text, and return it."""

    def found() -> Payload | None:
        seen = stage.discord.messages(person.id, channel)
        return next((one for one in seen if one["id"] == message["id"] and one["content"].startswith(start)), None)

    return await stage.discord.wait_for(found, _PATIENCE_SECONDS)


async def forget(stage: Stage, channel: int, button: str, says: str, **options: str) -> Payload:
    """Use `/forget` as Grace and press a button; return the message once it starts with `says`."""
    question = await use(stage, stage.grace, channel, "forget", **options)
    assert question["flags"] & PRIVATE
    assert "cannot be undone" in question["content"]
    await press(stage, stage.grace, channel, question, button)
    answer = await edited_to(stage, stage.grace, channel, question, says)
    assert answer["components"] == []
    return answer


async def open_form(stage: Stage, person: Person, channel: int, command: str, **options: Any) -> tuple[int, Payload]:
    """Use a command that opens a form; return the interaction's id and the form."""
    with closing(stage.discord.subscribe()) as events:
        interaction_id = await stage.discord.invoke(person.id, channel, command.split(), options)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for event in events:
                if event.data.get("id") == interaction_id and event.data.get("modal"):
                    return interaction_id, event.data["modal"]
    raise AssertionError(f"/{command} opened no form")
