"""What the bot stores can be read by the user who runs it alone, in an older installation too."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.stage import Stage, online, until

MARKS = ("FIRSTMARK", "SECONDMARK", "THIRDMARK", "FOURTHMARK")
IN_THREAD = "THREADMARK"

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


async def test_deleted_text_is_in_no_file_soon_after(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    def is_there(mark: str) -> bool:
        return any(mark.encode() in file.read_bytes() for file in tmp_path.iterdir())

    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5) as stage:
        server, ada = stage.discord, stage.ada
        thread, channel = await stage.fresh_channel("a thread"), server.channels[0].id
        asked: dict[str, int] = {}
        for mark in (*MARKS, IN_THREAD):
            place = thread if mark == IN_THREAD else channel
            asked[mark] = await stage.mention(ada, place, f"{mark}?")
            await stage.answer(ada, place, asked[mark])
            assert is_there(mark)
        deleted, edited, *in_bulk = (asked[mark] for mark in MARKS)
        await server.delete(ada.id, channel, deleted)
        await server.edit(ada.id, channel, edited, f"<@{server.bot.id}> Something else?")
        await server.bulk_delete(ada.id, channel, in_bulk)
        await server.delete_channel(ada.id, thread)
        async with asyncio.timeout(60):
            await until(lambda: not any(is_there(mark) for mark in asked))
