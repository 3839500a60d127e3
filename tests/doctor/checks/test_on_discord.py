"""What Discord says about the bot, over real HTTP and without a gateway session."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.demo.loopback import ConnectionFault, LoopbackDiscord, connect_discord_py
from bot.discord_client.invite import invite_link
from bot.doctor.check import Findings
from bot.doctor.checks.account import clock_finding
from bot.doctor.checks.on_discord import check_discord
from bot.doctor.setup import Setup
from bot.settings import ENV_FILE, read_settings
from bot.storage.storage import Storage
from tests.doctor.found import found, results

OTHER_TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        with connect_discord_py(server):
            yield server


async def check(server: LoopbackDiscord, *, offline: bool = False, **values: str) -> Findings:
    read = read_settings(ENV_FILE, **{"discord_token": server.bot_token, **values})
    findings = await check_discord(Setup(read, ENV_FILE, offline=offline))
    assert not any(server.bot_token in each.line + each.way_out for each in findings)
    return findings


async def store_mode(channel_id: int, mode: ChannelMode) -> None:
    storage = await Storage.open(read_settings().settings.database_address, lambda _: None)
    await storage.modes.set_mode(ModeSetting(channel_id, mode, 1))
    await storage.close()


async def test_a_bot_that_has_what_it_needs(server: LoopbackDiscord) -> None:
    findings = await check(server)
    names = ["token", "intents", "invite", "clock", "permissions"]
    assert results(findings) == {name: ["ok"] for name in names}
    assert found(findings, "token")[0][1].startswith("Discord accepts it; the bot is Phi")
    assert found(findings, "invite")[0][1] == invite_link(server.bot.id)
    assert found(findings, "permissions")[0][1] == "servers: 1, channels in use: 3, hidden from the bot: 0"
    assert {call.method for call in server.calls} == {"GET"}
    assert not server.bot_online


async def test_offline_nothing_is_asked(server: LoopbackDiscord) -> None:
    findings = await check(server, offline=True)
    assert results(findings)["token"] == ["ok"]
    assert results(findings)["permissions"] == ["skipped"]
    assert list(server.calls) == []


async def test_a_missing_or_malformed_token(server: LoopbackDiscord) -> None:
    read = read_settings(ENV_FILE)
    findings = await check_discord(Setup(read, ENV_FILE, offline=False))
    skipped = {name: ["skipped"] for name in ("intents", "invite", "clock", "permissions")}
    assert results(findings) == {"token": ["error"], **skipped}
    [(result, line, _)] = found(await check(server, discord_token="hunter2"), "token")
    assert (result, line) == (
        "error",
        "DISCORD_TOKEN is malformed: 7 characters in 1 part, but a bot's token has three parts separated by dots",
    )
    assert list(server.calls) == []


async def test_a_token_that_discord_refuses(server: LoopbackDiscord) -> None:
    findings = await check(server, discord_token=OTHER_TOKEN)
    [(result, line, way_out)] = found(findings, "token")
    assert (result, line) == ("error", "DISCORD_TOKEN was refused by Discord")
    assert way_out.startswith("make a new one at https://")
    assert results(findings)["permissions"] == ["skipped"]


async def test_a_discord_that_cannot_be_reached_is_no_error(server: LoopbackDiscord) -> None:
    server.break_next("GET", "/users/@me", ConnectionFault.DISCONNECT_AFTER, 10)
    [(result, line, way_out)] = found(await check(server), "token")
    assert result == "warning"
    assert line.startswith("not checked: Discord cannot be reached: ")
    assert "waits" in way_out


async def test_the_intent(server: LoopbackDiscord) -> None:
    [(result, line, way_out)] = found(await check(server, message_content_intent="true"), "intents")
    assert (result, line) == ("error", "the message-content intent is not granted to this bot")
    assert "MESSAGE_CONTENT_INTENT=false" in way_out
    await server.set_intent("message_content", is_granted=True)
    assert found(await check(server, message_content_intent="true"), "intents")[0][0] == "ok"
    assert found(await check(server), "intents") == [("ok", "the message-content intent is granted but not used", "")]
    await store_mode(server.channels[0].id, ChannelMode.FREE)
    [(result, line, way_out)] = found(await check(server), "intents")
    assert (result, way_out) == ("warning", "set MESSAGE_CONTENT_INTENT=true")
    assert line.endswith(f"is not in force, for want of the message-content intent: channels {server.channels[0].id}")


async def test_channels_that_lack_the_same_are_one_line(server: LoopbackDiscord) -> None:
    more = [server.add_channel(f"room-{number}") for number in range(3)]
    for channel in (*server.channels[:2], *more):
        server.set_permissions(server.bot.id, channel.id, deny=["attach_files", "read_message_history"])
    server.set_permissions(server.bot.id, server.channels[2].id, deny=["view_channel"])
    [summary, (result, line, way_out)] = found(await check(server), "permissions")
    assert summary == ("ok", "servers: 1, channels in use: 5, hidden from the bot: 1", "")
    assert (result, line) == (
        "warning",
        "Phi's playground: no Attach Files and no Read Message History in #general, #help, #room-0 and 2 more",
    )
    assert "channel settings" in way_out


async def test_threads_are_only_needed_where_questions_open_them(server: LoopbackDiscord) -> None:
    await server.set_intent("message_content", is_granted=True)
    general = server.channels[0].id
    server.set_permissions(server.bot.id, general, deny=["create_public_threads"])
    assert results(await check(server, message_content_intent="true"))["permissions"] == ["ok"]
    await store_mode(general, ChannelMode.THREADS)
    [_, (_, line, _)] = found(await check(server, message_content_intent="true"), "permissions")
    assert line == "Phi's playground: no Create Public Threads in #general"


async def test_a_timeout_is_named_instead_of_all_that_it_takes_away(server: LoopbackDiscord) -> None:
    server.time_out(server.bot.id, 600)
    [_, (result, line, _)] = found(await check(server), "permissions")
    assert (result, line.startswith("Phi's playground: a moderator has put the bot in a timeout")) == ("warning", True)


async def test_several_servers_and_none(server: LoopbackDiscord) -> None:
    club = server.add_server("Book club", with_bot=True)
    server.set_permissions(server.bot.id, club.channels[0].id, deny=["send_messages"])
    [(_, line, _), (_, lack, _)] = found(await check(server), "permissions")
    assert line == "servers: 2, channels in use: 4, hidden from the bot: 0"
    assert lack == "Book club: no Send Messages in #lounge"
    for guild in (club.id, server.guild_id):
        server.remove_bot(guild)
    [(result, line, way_out)] = found(await check(server), "permissions")
    assert (result, line, way_out) == ("warning", "the bot is in no server yet", "invite it with the link above")


@pytest.mark.parametrize("path", ["/users/@me/guilds", "/guilds/*/channels"])
async def test_a_refusal_or_a_lost_connection_midway_is_no_bug(server: LoopbackDiscord, path: str) -> None:
    server.fail_next("GET", path, 403, 1, 50001)
    [*_, (result, line, way_out)] = found(await check(server), "permissions")
    assert (result, way_out) == ("warning", "run this again")
    assert ": not checked, 403: injected by a test" in line
    server.break_next("GET", path, ConnectionFault.RESET, times=None)
    [*_, (result, line, way_out)] = found(await check(server), "permissions")
    assert (result, way_out) == ("warning", "run this again")
    assert ": not checked, Discord cannot be reached" in line


async def test_a_server_that_discord_does_not_show_leaves_the_others(server: LoopbackDiscord) -> None:
    club = server.add_server("Book club", with_bot=True)
    server.fail_next("GET", f"/guilds/{club.id}/channels", 403, 1, 50001)
    [summary, (result, line, _)] = found(await check(server), "permissions")
    assert summary[1].startswith("servers: 1 of 2, ")
    assert (result, line.startswith("Book club: not checked, ")) == ("warning", True)


@pytest.mark.parametrize(
    ("seconds", "result", "says"),
    [
        (0.9, "ok", "within seconds"),
        (-9, "ok", "within seconds"),
        (11, "warning", "11 s ahead of Discord's"),
        (-299, "warning", "299 s behind Discord's"),
        (7200, "error", "7,200 s ahead of Discord's"),
    ],
)
def test_a_clock_that_is_off(seconds: float, result: str, says: str) -> None:
    finding = clock_finding(seconds)
    assert (finding.result.value, says in finding.line) == (result, True)
