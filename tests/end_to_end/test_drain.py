"""SIGTERM, as a service manager sends it: the bot in a process of its own lets its answers end, and then ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from bot.demo.loopback import LoopbackDiscord, Person
from bot.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = "Repeat the word hello a thousand times."
CLOSED = "I am being restarted, and answer this when I am back."
CUT_OFF = "-# Cut off here: this is the longest answer allowed."


@dataclass(frozen=True)
class Stage:
    """A bot in a process of its own, online on a loopback Discord."""

    discord: LoopbackDiscord
    process: asyncio.subprocess.Process

    async def mention(self, person: Person, text: str = ENDLESS) -> int:
        """Ask something in a direct message, which is a conversation of one's own."""
        return await self.discord.send(person.id, await self.discord.open_dm(person.id), text)

    async def text(self, person: Person) -> str:
        """All that the bot has said to somebody."""
        messages = self.discord.messages(person.id, await self.discord.open_dm(person.id))
        return "\n".join(each["content"] for each in messages if each["author"]["id"] == str(self.discord.bot.id))

    async def said(self, person: Person, text: str) -> str:
        """Wait until the bot has said something with this text to somebody; return all that it said."""
        async with asyncio.timeout(120):
            while text not in (said := await self.text(person)):  # noqa: ASYNC110 - the wait is for a coroutine
                await asyncio.sleep(0.02)
        return said

    async def buttons(self, person: Person) -> int:
        """How many messages have buttons."""
        messages = self.discord.messages(person.id, await self.discord.open_dm(person.id))
        return sum(bool(each["components"]) for each in messages)

    async def ended(self) -> int:
        """Wait for the process's end; return its exit code."""
        async with asyncio.timeout(120):
            return await self.process.wait()


@asynccontextmanager
async def bot(model_dir: Path, folder: Path, **settings: str) -> AsyncIterator[Stage]:
    """Run `python -m bot run` against a loopback Discord until it ends, one question at a time."""
    unset = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    environment |= {"MODEL_DIR": str(model_dir), "KV_CACHE_GIGABYTES": "0.3", "MAX_BATCH": "1", **settings}
    async with LoopbackDiscord() as discord:
        environment |= {"DISCORD_TOKEN": discord.bot_token, "PYTHONPATH": str(ROOT)}
        addresses = [discord.api_url, discord.gateway_url, discord.cdn_url]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "scripts" / "bot_on_loopback.py"),
            *addresses,
            "run",
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            await discord.wait_for(lambda: discord.bot_online or process.returncode is not None, 120)
            yield Stage(discord, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def health(port: int) -> tuple[int, bool, int]:
    """The status at /healthz, whether the bot is said to drain, and how often it lost its engine."""
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/healthz") as response:
        details = await response.json()
        return response.status, details["draining"], details["engine_restarts"]


async def until_healthy(port: int) -> None:
    """Wait until it is well: discord.py calls itself ready two seconds after the last guild that it was told of."""
    async with asyncio.timeout(60):
        while await health(port) != (200, False, 0):  # noqa: ASYNC110 - the other process tells nobody
            await asyncio.sleep(0.1)


async def test_the_answer_on_its_way_ends_and_everybody_else_is_told(small_model_dir: Path, tmp_path: Path) -> None:
    port = free_port()
    settings = {"MAX_NEW_TOKENS": "300", "DRAIN_SECONDS": "300", "METRICS_PORT": str(port)}
    async with bot(small_model_dir, tmp_path, **settings) as stage:
        ada, grace, linus = stage.discord.people
        engines = psutil.Process(stage.process.pid).children(recursive=True)
        await stage.mention(ada)
        await stage.said(ada, "hello")
        await stage.mention(grace)
        await stage.said(grace, "nobody is before you in the queue")
        await until_healthy(port)

        # A service manager sends it to every process of the service, so the engine gets it as well.
        os.killpg(stage.process.pid, signal.SIGTERM)

        assert await stage.said(grace, CLOSED) == CLOSED
        await stage.mention(linus)
        assert await stage.said(linus, CLOSED) == CLOSED
        assert CUT_OFF not in await stage.text(ada), "it ended before the others were told"
        assert await health(port) == (503, True, 0)
        assert await stage.ended() == 0
        answer = await stage.text(ada)
        assert answer.count("ello") > 50
        assert answer.endswith(CUT_OFF) or f"\n{CUT_OFF}" in answer
        assert "Stopped." not in answer
        assert await stage.buttons(ada) == await stage.buttons(grace) == 0
        assert psutil.wait_procs(engines, timeout=10)[1] == []


async def test_the_second_time_ends_it_at_once_with_what_was_said(small_model_dir: Path, tmp_path: Path) -> None:
    async with bot(small_model_dir, tmp_path, MAX_NEW_TOKENS="6000", DRAIN_SECONDS="3600") as stage:
        ada, grace, _ = stage.discord.people
        engines = psutil.Process(stage.process.pid).children(recursive=True)
        await stage.mention(ada)
        await stage.said(ada, "hello")
        stage.process.terminate()
        await stage.mention(grace)
        await stage.said(grace, CLOSED)

        stage.process.terminate()

        assert await stage.ended() == 0
        answer = await stage.text(ada)
        assert answer.startswith("Hello, hello")
        assert answer.endswith(f"\n-# {CLOSED}")
        assert await stage.buttons(ada) == 0
        assert psutil.wait_procs(engines, timeout=10)[1] == []


async def test_an_answer_that_takes_too_long_is_cut(small_model_dir: Path, tmp_path: Path) -> None:
    async with bot(small_model_dir, tmp_path, MAX_NEW_TOKENS="6000", DRAIN_SECONDS="1") as stage:
        ada = stage.discord.people[0]
        await stage.mention(ada)
        await stage.said(ada, "hello")

        stage.process.terminate()

        assert await stage.ended() == 0
        assert (await stage.text(ada)).endswith(f"\n-# {CLOSED}")
        assert await stage.buttons(ada) == 0
