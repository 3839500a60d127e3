"""The demo's bot and the intent that the portal on its page grants."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress
from pathlib import Path

import pytest

from bot.cli.progress import Progress
from bot.demo.command import run_demo
from bot.demo.loopback import LoopbackDiscord

_START_SECONDS = 240


async def test_the_demo_shows_modes_and_restarts_when_the_intent_changes(
    tiny_chat_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_NEW_TOKENS", "5")
    started: asyncio.Future[LoopbackDiscord] = asyncio.get_running_loop().create_future()
    start, printed = LoopbackDiscord.start, io.StringIO()

    async def start_and_tell(server: LoopbackDiscord) -> None:
        await start(server)
        started.set_result(server)

    monkeypatch.setattr(LoopbackDiscord, "start", start_and_tell)
    demo = asyncio.create_task(run_demo(Progress(printed), model_dir=tiny_chat_model_dir, say=[], port=0))
    discord = await started
    ada, channel = discord.people[0].id, discord.channels[0].id

    async def mode(name: str) -> str:
        await discord.wait_for(lambda: discord.bot_online and discord.commands(), _START_SECONDS)
        interaction = await discord.invoke(ada, channel, ["channel", "mode"], {"mode": name})
        return await discord.wait_for(lambda: _response(discord, ada, channel, interaction), _START_SECONDS)

    try:
        assert (await mode("threads")).startswith("From now on, a mention in")
        await discord.set_intent("message_content", is_granted=False)
        assert "Message Content Intent" in await mode("free")
        await discord.set_intent("message_content", is_granted=True)
        assert "intent changed, so the bot restarts" in printed.getvalue()
        # What was set before the restarts still holds.
        await discord.wait_for(lambda: discord.bot_online, _START_SECONDS)
        await discord.send(ada, channel, f"<@{discord.bot.id}> hello")
        await discord.wait_for(lambda: [one for one in discord.channels_of(ada) if one["kind"] == "thread"], 60)
    finally:
        demo.cancel()
        with suppress(asyncio.CancelledError):
            await demo


def _response(discord: LoopbackDiscord, person: int, channel: int, interaction: int) -> str | None:
    for message in discord.messages(person, channel):
        origin = message.get("interaction_metadata")
        if origin and origin["id"] == str(interaction) and message["content"]:
            return str(message["content"])
    return None
