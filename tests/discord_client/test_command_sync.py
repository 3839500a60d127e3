"""Commands are synced only after a change, and report their errors."""

from __future__ import annotations

from pathlib import Path

import discord
import pytest
from discord import app_commands

from bot.discord_client.command_sync import sync_changed_commands
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def syncs(stage: Stage) -> int:
    return sum(call.method == "PUT" and call.path.endswith("/commands") for call in stage.server.calls)


def add_command(stage: Stage, name: str) -> None:
    @app_commands.command(name=name, description="For a test")
    async def command(interaction: discord.Interaction) -> None:
        raise RuntimeError("a defect")

    stage.client.tree.add_command(command)


async def test_unchanged_commands_are_not_sent_again(stage: Stage, tmp_path: Path) -> None:
    tree, record = stage.client.tree, tmp_path / "data" / "synced"
    add_command(stage, "first")
    before = syncs(stage)
    assert await sync_changed_commands(tree, record)
    assert not await sync_changed_commands(tree, record)
    assert syncs(stage) == before + 1
    add_command(stage, "second")
    assert await sync_changed_commands(tree, record)
    assert syncs(stage) == before + 2
    record.write_bytes(b"\xff\xfe")
    assert await sync_changed_commands(tree, record)


async def test_an_unwritable_record_is_a_warning(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be", encoding="utf-8")
    assert await sync_changed_commands(stage.client.tree, tmp_path / "data" / "synced")
    assert "so every start syncs the commands" in caplog.text


async def test_a_failed_command_replies_in_private(stage: Stage) -> None:
    add_command(stage, "broken")
    await stage.client.tree.sync()
    await stage.server.invoke(stage.person("Grace"), stage.channel, ["broken"])

    def has_reply() -> bool:
        messages = stage.server.messages(stage.person("Grace"), stage.channel)
        return any("error in the bot" in message["content"] and message["flags"] & 64 for message in messages)

    await stage.server.wait_for(has_reply)
