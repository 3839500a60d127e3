"""What the bot stores can be read by the user who runs it alone, in an older installation too."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bot.demo.loopback import LoopbackDiscord
from bot.discord_client.channel_scopes import guild_scope
from bot.engine.worker.paged.disk_cache.block_file import SUFFIX, read_stored_block
from tests.end_to_end.stage import Stage, online, until

MARKS = ("FIRSTMARK", "SECONDMARK", "THIRDMARK", "FOURTHMARK")
IN_THREAD = "THREADMARK"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")


def wrong_modes(folder: Path) -> dict[Path, str]:
    """The modes of all files and folders that are not the bot's alone."""
    found = {}
    for place, _, files in os.walk(folder):
        for path, expected in ((Path(place), 0o700), *((Path(place, name), 0o600) for name in files)):
            with suppress(FileNotFoundError):  # the bot has just removed it
                if (mode := stat.S_IMODE(path.stat().st_mode)) != expected:
                    found[path] = oct(mode)
    return found


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


async def ask(stage: Stage) -> None:
    assert await stage.ask(stage.ada, stage.discord.channels[0].id, "What is the capital of France?")


async def test_a_data_folder_is_private_from_the_start_and_closed_if_it_is_older(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "new" / "data"
    database = "conversations.sqlite3"
    expected = {database, f"{database}-wal", f"{database}-shm", "synced_commands.sha256"}
    before = os.umask(0)
    try:
        async with LoopbackDiscord() as discord:
            async with online(tiny_chat_model_dir, discord, data_dir=data, max_new_tokens=5) as stage:
                await ask(stage)
                assert names(data) >= expected
                assert wrong_modes(data) == {}
            for each in (data, *data.rglob("*")):
                each.chmod(0o777)
            caplog.clear()
            async with online(tiny_chat_model_dir, discord, data_dir=data, max_new_tokens=5) as stage:
                await ask(stage)
                assert names(data) >= expected
                assert wrong_modes(data) == {}
    finally:
        os.umask(before)
    [line] = [record.getMessage() for record in caplog.records if record.name == "bot.private_files"]
    assert str(data) in line


async def test_a_disk_cache_that_is_turned_off_is_deleted(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "kv_cache"
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5) as stage:
        await ask(stage)
    assert any(cache.iterdir())
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5, kv_disk_gigabytes=0) as stage:
        await ask(stage)
    assert not cache.exists()


def is_there(folder: Path, mark: str) -> bool:
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):  # the bot has just removed it
                if mark.encode() in Path(place, name).read_bytes():
                    return True
    return False


async def test_deleted_text_is_in_no_file_soon_after(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5) as stage:
        server, ada = stage.discord, stage.ada
        thread, channel = await stage.fresh_channel("a thread"), server.channels[0].id
        asked: dict[str, int] = {}
        for mark in (*MARKS, IN_THREAD):
            place = thread if mark == IN_THREAD else channel
            asked[mark] = await stage.mention(ada, place, f"{mark}?")
            await stage.answer(ada, place, asked[mark])
            assert is_there(tmp_path, mark)
        deleted, edited, *in_bulk = (asked[mark] for mark in MARKS)
        await server.delete(ada.id, channel, deleted)
        await server.edit(ada.id, channel, edited, f"<@{server.bot.id}> Something else?")
        await server.bulk_delete(ada.id, channel, in_bulk)
        await server.delete_channel(ada.id, thread)
        async with asyncio.timeout(60):
            await until(lambda: not any(is_there(tmp_path, mark) for mark in asked))


def channels_in(cache: Path) -> set[int]:
    """The channels whose words the disk cache holds."""
    found: set[int] = set()
    for path in cache.rglob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # the worker has just removed it
            found.update(source.channel_id for source in read_stored_block(path, None).sources)
    return found


async def test_leaving_a_server_deletes_all_that_was_said_there(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5) as stage:
        channels = {"HEREMARK": stage.discord.channels[0].id, IN_THREAD: await stage.fresh_channel("a thread")}
        direct = await stage.discord.open_dm(stage.ada.id)
        for mark, channel in channels.items():
            await stage.answer(stage.ada, channel, await stage.mention(stage.ada, channel, f"{mark}?"))
        [guild] = stage.bot.application.client.guilds
        conversations = stage.bot.application.answering.conversations
        await conversations.set_persona(guild_scope(guild.id), "Speak like PERSONAMARK.")
        await stage.answer(stage.ada, direct, await stage.mention(stage.ada, direct, "DIRECTMARK?"))
        left, cache = (*channels, "PERSONAMARK"), tmp_path / "kv_cache"
        assert all(is_there(tmp_path, mark) for mark in left)
        async with asyncio.timeout(60):
            await until(lambda: channels_in(cache) == {*channels.values(), direct})
        await guild.leave()
        async with asyncio.timeout(60):
            await until(lambda: not any(is_there(tmp_path, mark) for mark in left))
            await until(lambda: channels_in(cache) == {direct})
        assert is_there(tmp_path, "DIRECTMARK")


async def test_a_start_erases_what_the_worker_could_not_any_more(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    cache = tmp_path / "kv_cache"
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=5) as stage:
            channel = await stage.fresh_channel("a thread")
            question = await stage.mention(stage.ada, channel, "HEREMARK?")
            await stage.answer(stage.ada, channel, question)
            async with asyncio.timeout(60):
                await until(lambda: channels_in(cache) == {channel})
            facts = stage.bot.application.serving.facts
            assert facts is not None
            psutil.Process(facts.process_id).suspend()
            await discord.delete(stage.ada.id, channel, question)
            async with asyncio.timeout(60):
                await until(lambda: not is_there(tmp_path, "HEREMARK"))
            assert channels_in(cache) == {channel}
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=5):
            assert channels_in(cache) == set()
