"""SIGTERM, as a service manager sends it: the bot drains and exits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import aiohttp
import psutil
import pytest

from bot.demo.loopback import LoopbackDiscord, Person
from bot.settings import Settings
from tests.end_to_end.stage import ENDLESS, can_be_stopped, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

ROOT = Path(__file__).resolve().parents[2]
RESTARTED = "I am restarting. I will answer this when I am back."
CUT_OFF = "-# This answer reached the maximum length."


@dataclass(frozen=True)
class SeparateBot:
    """A bot in a process of its own, online on a loopback Discord."""

    discord: LoopbackDiscord
    process: asyncio.subprocess.Process

    async def mention(self, person: Person, text: str = ENDLESS) -> int:
        """Ask in a direct message, a conversation of the member's own."""
        return await self.discord.send(person.id, await self.discord.open_dm(person.id), text)

    async def text(self, person: Person) -> str:
        """Return everything that the bot has written to a member."""
        messages = self.discord.messages(person.id, await self.discord.open_dm(person.id))
        return "\n".join(each["content"] for each in messages if each["author"]["id"] == str(self.discord.bot.id))

    async def text_with(self, person: Person, part: str) -> str:
        """Wait until the bot has written this to a member; return everything that it has written."""
        async with asyncio.timeout(240):
            while part not in (text := await self.text(person)):  # noqa: ASYNC110 - the condition is a coroutine
                await asyncio.sleep(0.02)
        return text

    async def buttons(self, person: Person) -> int:
        """Return how many messages to a member have a Stop button."""
        messages = self.discord.messages(person.id, await self.discord.open_dm(person.id))
        return sum(map(can_be_stopped, messages))

    async def exit_code(self) -> int:
        """Wait until the process exits; return its exit code."""
        async with asyncio.timeout(240):
            return await self.process.wait()


@asynccontextmanager
async def bot(
    model_dir: Path,
    folder: Path,
    launcher: Path = ROOT / "scripts" / "bot_on_loopback.py",
    log: BinaryIO | None = None,
    /,
    **settings: str,
) -> AsyncIterator[SeparateBot]:
    """Run `python -m bot run` against a loopback Discord, one question at a time, until the block ends.

    Args:
        log: gets what it writes to stderr.
    """
    unset = {name.upper() for name in Settings.model_fields} - {"DEVICE_PROPERTIES"}  # the test run sets this one
    environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    environment |= {"MODEL_DIR": str(model_dir), "KV_CACHE_GIGABYTES": "0.3", "MAX_BATCH": "1", **settings}
    async with LoopbackDiscord() as discord:
        environment |= {"DISCORD_TOKEN": discord.bot_token, "PYTHONPATH": str(ROOT)}
        addresses = [discord.api_url, discord.gateway_url, discord.cdn_url]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(launcher),
            *addresses,
            "run",
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            await discord.wait_for(lambda: discord.bot_online or process.returncode is not None, 120)
            yield SeparateBot(discord, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def health(port: int) -> tuple[int, bool, int]:
    """Return the status of /healthz, whether the bot drains, and how often its engine restarted."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/healthz") as response:
        details = await response.json()
        return response.status, details["draining"], details["engine_restarts"]


async def until_healthy(port: int) -> None:
    """Wait until the bot is healthy: discord.py is ready two seconds after the last guild."""
    async with asyncio.timeout(60):
        while await health(port) != (200, False, 0):  # noqa: ASYNC110 - the server pushes nothing
            await asyncio.sleep(0.1)


async def test_the_running_answer_finishes_and_the_others_are_informed(small_model_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    settings = {"MAX_NEW_TOKENS": "300", "DRAIN_SECONDS": "300", "METRICS_PORT": str(port)}
    async with bot(small_model_dir, tmp_path, **settings) as stage:
        ada, grace, linus = stage.discord.people
        engines = psutil.Process(stage.process.pid).children(recursive=True)
        await stage.mention(ada)
        await stage.text_with(ada, "1, 2, 3")
        await stage.mention(grace)
        await stage.text_with(grace, "Yours is next.")
        await until_healthy(port)

        # A service manager signals every process of the service, the engine included.
        os.killpg(stage.process.pid, signal.SIGTERM)

        assert await stage.text_with(grace, RESTARTED) == RESTARTED
        await stage.mention(linus)
        assert await stage.text_with(linus, RESTARTED) == RESTARTED
        assert CUT_OFF not in await stage.text(ada), "it ended before the others were informed"
        assert await health(port) == (503, True, 0)
        assert await stage.exit_code() == 0
        answer = await stage.text(ada)
        assert answer.count(", ") > 50
        assert answer.endswith(CUT_OFF) or f"\n{CUT_OFF}" in answer
        assert "Stopped." not in answer
        assert await stage.buttons(ada) == await stage.buttons(grace) == 0
        assert psutil.wait_procs(engines, timeout=10)[1] == []


async def test_a_second_sigterm_stops_at_once_and_keeps_the_text(small_model_dir: Path, tmp_path: Path) -> None:
    async with bot(small_model_dir, tmp_path, MAX_NEW_TOKENS="6000", DRAIN_SECONDS="3600") as stage:
        ada, grace, _ = stage.discord.people
        engines = psutil.Process(stage.process.pid).children(recursive=True)
        await stage.mention(ada)
        await stage.text_with(ada, "1, 2, 3")
        stage.process.terminate()
        await stage.mention(grace)
        await stage.text_with(grace, RESTARTED)

        stage.process.terminate()

        assert await stage.exit_code() == 0
        answer = await stage.text(ada)
        assert answer.startswith("1, 2, 3")  # what follows depends on the precision
        assert answer.endswith(f"\n-# {RESTARTED}")
        assert await stage.buttons(ada) == 0
        assert psutil.wait_procs(engines, timeout=10)[1] == []


async def test_an_answer_that_outlasts_the_drain_is_cut(small_model_dir: Path, tmp_path: Path) -> None:
    async with bot(small_model_dir, tmp_path, MAX_NEW_TOKENS="6000", DRAIN_SECONDS="1") as stage:
        ada = stage.discord.people[0]
        await stage.mention(ada)
        await stage.text_with(ada, "1, 2, 3")

        stage.process.terminate()

        assert await stage.exit_code() == 0
        assert (await stage.text(ada)).endswith(f"\n-# {RESTARTED}")
        assert await stage.buttons(ada) == 0
