"""A bot is backed up while it answers, goes on from the backup elsewhere, and restores one while it runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from separate_bot.bot_process import BotProcess
from separate_bot.stored_memory import StoredMemory

from bot.demo.loopback import LoopbackDiscord
from bot.settings import Settings
from tests.storage.conftest import until

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {"KV_CACHE_GIGABYTES": "0.05", "MAX_NEW_TOKENS": "40", "MAX_PROMPT_TOKENS": "500"}
PATIENCE_SECONDS = 60.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM for a process")


@asynccontextmanager
async def running(discord: LoopbackDiscord, model_dir: Path, folder: Path) -> AsyncIterator[BotProcess]:
    """The bot, in a process and a folder of its own."""
    bot = BotProcess(discord, model_dir, folder, SETTINGS)
    await bot.start()
    try:
        await until(lambda: "is online" in log_of(bot), PATIENCE_SECONDS)
        yield bot
        assert await bot.terminate(PATIENCE_SECONDS) == 0
    finally:
        await bot.kill()
    assert "Traceback" not in log_of(bot)
    assert " ERROR " not in log_of(bot)


async def command(folder: Path, *arguments: str) -> str:
    """Run `python -m bot …` in a folder; return what it printed."""
    unset = {name.upper() for name in Settings.model_fields}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *arguments),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in unset} | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


def log_after(bot: BotProcess, line: str) -> str:
    """What a bot has logged since a line."""
    return log_of(bot).partition(line)[2]


def log_of(bot: BotProcess) -> str:
    return bot.log.read_text(encoding="utf-8")


async def delivered(bot: BotProcess, question: int) -> None:
    """Wait until a bot remembers a question, and owes it nothing any more."""

    def is_delivered() -> bool:
        memory = StoredMemory.read(bot.database)
        return question in memory.turns and question not in memory.accepted

    await until(is_delivered, PATIENCE_SECONDS)


class Channel:
    """Where Ada asks."""

    def __init__(self, discord: LoopbackDiscord, channel_id: int) -> None:
        self._discord, self._ada, self.id = discord, discord.people[0], channel_id

    async def ask(self, bot: BotProcess, text: str) -> int:
        """Ask, and wait until the answer is delivered."""
        question = await self.begin(text)
        await delivered(bot, question)
        return question

    async def begin(self, text: str) -> int:
        """Ask, and wait until the answer has begun."""
        question = await self._discord.send(self._ada.id, self.id, f"<@{self._discord.bot.id}> {text}")
        await self._discord.wait_for(lambda: self.replies(question), PATIENCE_SECONDS)
        return question

    def replies(self, question: int) -> list[dict[str, object]]:
        """The messages that answer a question."""
        seen = self._discord.messages(self._ada.id, self.id)
        return [each for each in seen if (each.get("message_reference") or {}).get("message_id") == str(question)]


async def test_a_bot_is_backed_up_and_restored_while_it_runs(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    folder, backup = tmp_path / "bot", str(tmp_path / "backup.zip")
    async with LoopbackDiscord() as discord:
        channel = await channel_of(discord)
        async with running(discord, tiny_chat_model_dir, folder) as bot:
            first = await channel.ask(bot, "What is the capital of France?")
            second = await channel.begin("What is the capital of Spain?")
            assert "Backed up to" in await command(folder, "backup", backup)
            await delivered(bot, second)
            third = await channel.ask(bot, "What is the capital of Italy?")

            process_id = bot.process_id
            assert "comes up again by itself" in await command(folder, "restore", backup)
            await until(lambda: "is online" in log_after(bot, "Backup restored made_at="), PATIENCE_SECONDS)
            fourth = await channel.ask(bot, "What is the capital of Norway?")
            memory = StoredMemory.read(bot.database)
            assert (bot.process_id, bot.ended) == (process_id, False)
        assert memory.branch(channel.id)[0] == first
        assert memory.branch(channel.id)[-1] == fourth
        assert third not in memory.turns
        assert len(channel.replies(third)) == 1, "what was answered before the restore is not answered again"


@pytest.mark.long  # starts the bot twice
async def test_a_bot_goes_on_from_a_backup_elsewhere(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    old, new, backup = tmp_path / "old", tmp_path / "new", str(tmp_path / "backup.zip")
    new.mkdir()
    async with LoopbackDiscord() as discord:
        channel = await channel_of(discord)
        async with running(discord, tiny_chat_model_dir, old) as bot:
            first = await channel.ask(bot, "What is the capital of France?")
            second = await channel.begin("What is the capital of Spain?")
            await command(old, "backup", backup)
            await delivered(bot, second)
        await command(new, "restore", backup)
        async with running(discord, tiny_chat_model_dir, new) as bot:
            await delivered(bot, second)  # it was open at the backup
            third = await channel.ask(bot, "What is the capital of Italy?")
            assert StoredMemory.read(bot.database).branch(channel.id) == [first, second, third]
        assert len(channel.replies(first)) == len(channel.replies(second)) == 1


async def channel_of(discord: LoopbackDiscord) -> Channel:
    return Channel(discord, await discord.create_thread(discord.people[0].id, discord.channels[0].id, "backup"))
