"""What the bot stores can be read by the user who runs it alone, in an older installation too."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.stage import Stage, online

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.iterdir())}


async def ask(stage: Stage) -> None:
    assert await stage.ask(stage.ada, stage.discord.channels[0].id, "What is the capital of France?")


async def test_a_data_folder_is_private_from_the_start_and_closed_if_it_is_older(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "new" / "data"
    expected = {
        "data": 0o700,
        "conversations.sqlite3": 0o600,
        "conversations.sqlite3-wal": 0o600,
        "conversations.sqlite3-shm": 0o600,
        "synced_commands.sha256": 0o600,
    }
    before = os.umask(0)
    try:
        async with LoopbackDiscord() as discord:
            async with online(tiny_chat_model_dir, discord, data_dir=data, max_new_tokens=5) as stage:
                await ask(stage)
                assert modes(data) == expected
            for each in (data, *data.iterdir()):
                each.chmod(0o777)
            caplog.clear()
            async with online(tiny_chat_model_dir, discord, data_dir=data, max_new_tokens=5) as stage:
                await ask(stage)
                assert modes(data) == expected
    finally:
        os.umask(before)
    [line] = [record.getMessage() for record in caplog.records if record.name == "bot.private_files"]
    assert str(data) in line
