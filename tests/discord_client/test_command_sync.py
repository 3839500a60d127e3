"""Commands are synced only after a change, and report their errors."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.demo.loopback import Limit
from bot.discord_client import command_sync
from bot.discord_client.command_sync import keep_commands_synced, sync_changed_commands
from bot.discord_client.commands.everywhere import everywhere
from bot.discord_client.rest import retry
from tests.discord_client.stage import Stage, on_stage

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


async def test_a_failed_sync_is_tried_again_and_recorded_once_it_works(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(command_sync, "_SECONDS_AFTER_REFUSAL", 0.05)
    tree, path = stage.client.tree, "/applications/*/commands"
    stage.server.fail_next("PUT", path, 503)
    stage.server.fail_next("PUT", path, 429, retry_after=0, limit=Limit.CLOUDFLARE)
    record = tmp_path / "synced_commands.sha256"
    with pytest.raises(discord.DiscordServerError):
        await sync_changed_commands(tree, record)
    assert not record.exists()

    await keep_commands_synced(tree, record)

    causes = [line.partition("cause=")[2] for line in caplog.messages if line.startswith("Sync of the commands failed")]
    assert causes == ["rate limited by Cloudflare (429)"]
    assert not await sync_changed_commands(tree, record)


async def test_a_refused_command_is_named_in_one_line(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(command_sync, "_SECONDS_AFTER_REFUSAL", 0.05)
    add_command(stage, "wordy")
    record = tmp_path / "synced_commands.sha256"
    index = [command.name for command in stage.client.tree.get_commands()].index("wordy")
    faults = {"_errors": [{"code": "BASE_TYPE_BAD_LENGTH", "message": "Must be shorter."}]}
    body = {"code": 50035, "message": "Invalid Form Body", "errors": {str(index): {"description": faults}}}

    response: Any = SimpleNamespace(status=400, reason="Bad Request", headers={"Content-Type": "application/json"})

    async def refuse(*_: object, **_options: object) -> None:
        network.undo()
        raise discord.HTTPException(response, body)

    with monkeypatch.context() as network:
        network.setattr(stage.client.http, "bulk_upsert_global_commands", refuse)
        await keep_commands_synced(stage.client.tree, record)

    [line] = [line for line in caplog.messages if line.startswith("Discord refuses the commands: next_try_in=")]
    assert "\n" not in line
    assert "'wordy'" in line
    assert "Must be shorter." in line
    assert not await sync_changed_commands(stage.client.tree, record)


async def test_an_unwritable_record_is_a_warning(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where the folder should be", encoding="utf-8")
    assert await sync_changed_commands(stage.client.tree, tmp_path / "data" / "synced")
    assert "so every start syncs the commands" in caplog.text


async def test_a_command_that_the_bot_no_longer_has_replies_in_private(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    add_command(stage, "former")
    await stage.client.tree.sync()
    stage.client.tree.remove_command("former")
    await stage.server.invoke(stage.person("Linus"), stage.channel, ["former"])

    def has_reply() -> bool:
        messages = stage.server.messages(stage.person("Linus"), stage.channel)
        return any("This command has changed" in message["content"] for message in messages)

    await stage.server.wait_for(has_reply)
    assert not [record for record in caplog.records if record.exc_info]
    assert "Command is out of date: used=former interaction=" in caplog.text


async def test_a_failed_command_replies_in_private(stage: Stage) -> None:
    add_command(stage, "broken")
    await stage.client.tree.sync()
    await stage.server.invoke(stage.person("Grace"), stage.channel, ["broken"])

    def has_reply() -> bool:
        messages = stage.server.messages(stage.person("Grace"), stage.channel)
        return any("error in the bot" in message["content"] and message["flags"] & 64 for message in messages)

    await stage.server.wait_for(has_reply)


async def test_a_command_that_outlasts_the_bot_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")
    begun, may_end = asyncio.Event(), asyncio.Event()

    @app_commands.command(description="For a test")
    async def slow(interaction: discord.Interaction) -> None:
        begun.set()
        await may_end.wait()
        await interaction.response.send_message("Done")

    async with on_stage() as stage:
        stage.client.tree.add_command(slow)
        await stage.client.tree.sync()
        await stage.server.invoke(stage.person("Grace"), stage.server.channels[0].id, ["slow"])
        await begun.wait()
        running = [task for task in asyncio.all_tasks() if task.get_name() == "CommandTree-invoker"]
        await stage.client.close()
        may_end.set()
        await asyncio.wait(running, timeout=10)
    assert "Interaction was not answered, the bot has ended: used=/slow interaction=" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


async def test_commands_for_accounts_wait_until_the_portal_allows_them(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tree, record = stage.client.tree, tmp_path / "synced"

    @app_commands.command(name="anywhere", description="For a test")
    @everywhere
    async def command(interaction: discord.Interaction) -> None:
        raise RuntimeError("a defect")

    tree.add_command(command)
    stage.server.allow_user_installs(False)
    try:
        assert await sync_changed_commands(tree, record)
        [line] = [line for line in caplog.messages if "User Install" in line]
        assert "\n" not in line
        assert ["anywhere"] in [each["path"] for each in stage.server.commands()]
        before = syncs(stage)
        assert await sync_changed_commands(tree, record), "the next start asks again"
        assert syncs(stage) == before + 1, "and registers nothing again"
        stage.server.allow_user_installs(True)
        assert await sync_changed_commands(tree, record)
        assert not await sync_changed_commands(tree, record)
    finally:
        stage.server.allow_user_installs(True)
        tree.remove_command("anywhere")
