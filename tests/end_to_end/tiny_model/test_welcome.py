"""The first message in a server that the bot joins."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord, Server
from bot.demo.loopback.faults.connections import ConnectionFault
from tests.end_to_end.stage import Stage, online, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANNELS = ("rules", "lounge", "games")


def welcomes(discord: LoopbackDiscord, server: Server) -> dict[str, list[str]]:
    """What the bot said in a server's channels, by their names, without those in which it said nothing."""
    said = {
        channel.name: [
            message["content"]
            for message in discord.messages(discord.people[0].id, channel.id)
            if message["author"]["id"] == str(discord.bot.id)
        ]
        for channel in server.channels
    }
    return {name: texts for name, texts in said.items() if texts}


async def welcomed(stage: Stage, server: Server) -> dict[str, list[str]]:
    await until(lambda: bool(welcomes(stage.discord, server)))
    return welcomes(stage.discord, server)


async def test_the_first_message_is_in_the_system_channel(stage: Stage) -> None:
    server = stage.discord.add_server("System channel", channels=CHANNELS)
    stage.discord._state.backend.guilds[server.id].system_channel_id = server.channels[2].id
    stage.discord.double_events("GUILD_CREATE")
    stage.discord.break_next("POST", f"/channels/{server.channels[2].id}/messages", ConnectionFault.RESET_AFTER)

    stage.discord.add_bot(server.id)

    [(channel, [text])] = (await welcomed(stage, server)).items()
    assert channel == "games"
    assert text.startswith("Hello! Mention me in a message with your question, and I will answer. </help:")
    # After what comes later in the same channel, nothing more can come.
    await stage.ask(stage.ada, server.channels[2].id, "Hello?")
    assert welcomes(stage.discord, server)["games"].count(text) == 1


async def test_it_is_in_the_first_channel_where_the_bot_may_write(stage: Stage) -> None:
    server = stage.discord.add_server("Rules", channels=CHANNELS)
    stage.discord.set_permissions(stage.discord.bot.id, server.channels[0].id, deny=["send_messages"])
    stage.discord.set_permissions(stage.discord.bot.id, server.channels[1].id, deny=["view_channel"])

    stage.discord.add_bot(server.id)

    assert list(await welcomed(stage, server)) == ["games"]


async def test_where_it_may_not_write_one_line_says_so(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    silent, refusing = (stage.discord.add_server(name, channels=("rules",)) for name in ("Silent", "Refusing"))
    stage.discord.set_permissions(stage.discord.bot.id, silent.channels[0].id, deny=["send_messages"])
    stage.discord.fail_next(
        "POST", f"/channels/{refusing.channels[0].id}/messages", 403, code=50013, message="Missing."
    )

    for server in (silent, refusing):
        stage.discord.add_bot(server.id)

    def lines() -> list[str]:
        return [line for line in caplog.messages if line.startswith("Welcome")]

    await until(lambda: len(lines()) == 2)
    assert sorted(lines()) == sorted(
        [
            f"Welcome was not said: guild={silent.id} cause=the bot may write in no channel",
            f"Welcome was not said: guild={refusing.id} channel={refusing.channels[0].id} "
            "cause=Missing. (403, code 50013)",
        ]
    )
    assert welcomes(stage.discord, silent) == welcomes(stage.discord, refusing) == {}


async def test_neither_a_restart_nor_an_outage_repeats_it(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=20) as stage:
            server = discord.add_server("Steady", with_bot=True)
            before = await welcomed(stage, server)
            await discord.invalidate_session()
            await discord.wait_for(lambda: discord.bot_online)
            await stage.ask(stage.ada, server.channels[0].id, "Hello?")
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=20) as stage:
            await stage.ask(stage.ada, server.channels[0].id, "Hello again?")

        [text] = before["lounge"]
        assert welcomes(discord, server)["lounge"].count(text) == 1
        assert welcomes(discord, discord.servers[0]) == {}, "it was there before"
