"""What a bot that is ready logs about its permissions, by what its client knows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.discord_client.guild_permissions import guild_permissions, log_lacks
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def never(_: Any) -> bool:
    return False


def texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith("guild_permissions")]


async def channel_with(stage: Stage, name: str, kind: str = "text", *, deny: list[str]) -> discord.abc.GuildChannel:
    """A new channel in which the bot lacks permissions, as soon as the client knows both."""

    def is_known() -> bool:
        channel: Any = stage.client.get_channel(made.id)
        may = channel and channel.permissions_for(channel.guild.me)
        return may is not None and not any(getattr(may, each) for each in deny)

    made = stage.server.add_channel(name, kind)
    stage.server.set_permissions(stage.server.bot.id, made.id, deny=deny)
    while not is_known():
        await stage.client.wait_for("guild_channel_update", timeout=10)
    channel = stage.client.get_channel(made.id)
    assert isinstance(channel, discord.abc.GuildChannel)
    return channel


def lacking(channel: discord.abc.GuildChannel, *, opens_threads: bool = False) -> list[str]:
    found = guild_permissions([channel], channel.guild.me, lambda _: opens_threads)
    return [name for lack in found.lacks for name in lack.permissions]


@pytest.mark.parametrize(
    ("kind", "deny", "lacks"),
    [
        ("text", ["send_messages"], ["Send Messages"]),
        ("text", ["send_messages_in_threads", "attach_files"], ["Send Messages in Threads", "Attach Files"]),
        ("text", ["create_public_threads"], []),
        ("voice", ["connect", "send_messages_in_threads"], ["Connect"]),
        ("forum", ["send_messages", "send_messages_in_threads"], ["Send Messages in Threads"]),
        ("text", ["view_channel"], []),
    ],
)
async def test_each_kind_of_channel_needs_its_own(stage: Stage, kind: str, deny: list[str], lacks: list[str]) -> None:
    assert lacking(await channel_with(stage, "room", kind, deny=deny)) == lacks


async def test_threads_need_one_more(stage: Stage) -> None:
    channel = await channel_with(stage, "threads", deny=["create_public_threads"])
    assert lacking(channel, opens_threads=True) == ["Create Public Threads"]


async def test_a_guild_is_one_line_of_the_log_and_no_request(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel = await channel_with(stage, "quiet", deny=["read_message_history"])
    asked = len(stage.server.calls)
    guild = channel.guild
    # Its other channels are other tests', and a line names ten at most.
    alone: Any = SimpleNamespace(id=guild.id, me=guild.me, channels=[channel])
    log_lacks([alone], never)
    [line] = texts(caplog)
    assert line.startswith("Permissions are missing, ")
    assert f"guild={stage.server.guild_id} missing=" in line
    assert "Read Message History" in line
    assert str(channel.id) in line
    assert "quiet" not in line
    assert len(stage.server.calls) == asked


async def test_where_nothing_is_missing_nothing_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    log_lacks([], never)
    assert texts(caplog) == []
    general = stage.client.get_channel(stage.server.channels[0].id)
    assert isinstance(general, discord.TextChannel)
    assert guild_permissions([general], general.guild.me, never).lacks == []


async def test_a_channel_that_is_only_for_reading_is_not_counted(stage: Stage) -> None:
    general: Any = stage.client.get_channel(stage.server.channels[0].id)
    assert found_in(general, everybody=["send_messages"]) == (0, [])
    # A channel of some members, who can write there, and may ask.
    assert found_in(general, everybody=["send_messages", "view_channel"], me=["view_channel"]) == (
        1,
        ["Send Messages"],
    )


def found_in(general: Any, *, everybody: list[str], me: list[str] | None = None) -> tuple[int, list[str]]:
    """How many channels count, and what is missing in one from which everybody is kept, and the bot is let in."""
    guild = general.guild
    deny = discord.Permissions(**dict.fromkeys(everybody, True)).value
    allow = discord.Permissions(**dict.fromkeys(me or [], True)).value
    overwrites = [
        {"id": str(guild.id), "type": 0, "allow": "0", "deny": str(deny)},
        {"id": str(guild.me.id), "type": 1, "allow": str(allow), "deny": "0"},
    ]
    data: Any = {"id": "1", "type": 0, "name": "rules", "position": 0, "permission_overwrites": overwrites}
    channel = discord.TextChannel(state=general._state, guild=guild, data=data)
    found = guild_permissions([channel], guild.me, never)
    return found.served, [name for lack in found.lacks for name in lack.permissions]
