"""Questions by `/ask` and by the menu of a message, as members ask them, and their answers, as members see them."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

from bot.demo.loopback import LoopbackDiscord, Person
from bot.discord_client.commands.ask_commands import MENU_NAME
from tests.end_to_end.stage import Payload, Stage, can_be_stopped

_PATIENCE_SECONDS = 60


def responses(discord: LoopbackDiscord, person: Person, channel: int, interaction_id: int) -> list[Payload]:
    """The messages that answer an interaction by its response or its token, as a person sees them."""
    seen = discord.messages(person.id, channel)
    return [message for message in seen if (message.get("interaction_metadata") or {}).get("id") == str(interaction_id)]


def direct_messages(discord: LoopbackDiscord, person: Person) -> list[Payload]:
    """The bot's direct messages to a person."""
    direct = [channel for channel in discord.channels_of(person.id) if channel["kind"] == "dm"]
    return [
        message
        for channel in direct
        for message in discord.messages(person.id, int(channel["id"]))
        if message["author"]["id"] == str(discord.bot.id)
    ]


async def begin(stage: Stage, person: Person, channel: int, **options: object) -> tuple[int, Payload]:
    """Use `/ask`, and return the interaction's id and the first response."""
    interaction_id = await stage.discord.invoke(person.id, channel, ["ask"], options)

    def response() -> Payload | None:
        return next(iter(responses(stage.discord, person, channel, interaction_id)), None)

    return interaction_id, await stage.discord.wait_for(response, _PATIENCE_SECONDS)


async def ask(stage: Stage, person: Person, channel: int, **options: object) -> tuple[int, Payload]:
    """Use `/ask`, and return the interaction's id and the response when the answer is delivered."""
    interaction_id, _ = await begin(stage, person, channel, **options)
    await stage.answered(interaction_id)
    [response] = responses(stage.discord, person, channel, interaction_id)
    assert not can_be_stopped(response), "a finished answer has no Stop button"
    return interaction_id, response


async def ask_about(stage: Stage, person: Person, channel: int, message_id: int, **values: str) -> tuple[int, Payload]:
    """Use the menu of a message, fill its form in, and return the interaction's id and the delivered response."""
    opened, _ = await open_menu(stage, person, channel, message_id)
    interaction_id = await stage.discord.submit_modal(person.id, opened, values)
    await stage.answered(interaction_id)
    [response] = responses(stage.discord, person, channel, interaction_id)
    return interaction_id, response


async def open_menu(stage: Stage, person: Person, channel: int, message_id: int) -> tuple[int, Any]:
    """Use the menu of a message; return the interaction's id and the form that it opens."""
    with closing(stage.discord.subscribe()) as events:
        opened = await stage.discord.invoke_on_message(person.id, channel, MENU_NAME, message_id)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for event in events:
                if event.data.get("id") == opened and event.data.get("modal"):
                    return opened, event.data["modal"]
    raise AssertionError("the menu opened no form")
