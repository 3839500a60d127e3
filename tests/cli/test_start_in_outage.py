"""A bot that starts before its network waits, says so at each try, and can be stopped meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord, Outage
from tests.cli.test_main import ROOT, SETTINGS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM for a process")


@asynccontextmanager
async def bot_on(server: LoopbackDiscord, folder: Path, model_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
    settings = {"DISCORD_TOKEN": server.bot_token, "MODEL_DIR": str(model_dir), "KV_CACHE_GIGABYTES": "0.05"}
    addresses = [server.api_url, server.gateway_url, server.cdn_url]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(ROOT / "scripts" / "bot_on_loopback.py"), *addresses, "run"),
        cwd=folder,
        env={**environment, **settings, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_until(process: asyncio.subprocess.Process, text: str) -> str:
    """Read what the bot prints up to a line with this text."""
    assert process.stderr is not None
    printed = ""
    while text not in printed:
        line = (await process.stderr.readline()).decode()
        assert line, printed
        printed += line
    return printed


async def end(process: asyncio.subprocess.Process) -> str:
    """Terminate the bot; return what it printed until its end."""
    assert process.stderr is not None
    process.send_signal(signal.SIGTERM)
    printed = (await process.stderr.read()).decode()
    assert await process.wait() == 0, printed
    return printed


async def test_it_waits_for_discord_then_answers(tmp_path: Path, tiny_chat_model_dir: Path) -> None:
    async with LoopbackDiscord() as server:
        await server.start_outage()
        server.fail_next("PUT", "/applications/*/commands", 503, times=None)
        async with bot_on(server, tmp_path, tiny_chat_model_dir) as process:
            printed = await read_until(
                process, "Login to Discord failed: next_try_in=2s cause=Discord cannot be reached"
            )
            assert "Login to Discord failed: next_try_in=1s cause=Discord cannot be reached" in printed
            server.end_outage()
            printed += await read_until(process, "is online")
            if "Sync of the commands failed" not in printed:
                printed += await read_until(
                    process, "Sync of the commands failed: next_try_in=1s cause=Service Unavail"
                )
            server.end_faults()
            await server.wait_for(server.commands)
            printed += await end(process)
    assert printed.count("Invite link: url=") == 1
    assert "Traceback" not in printed
    assert " ERROR " not in printed


async def test_a_signal_ends_the_wait(tmp_path: Path, tiny_chat_model_dir: Path) -> None:
    async with LoopbackDiscord() as server:
        await server.start_outage(rest=Outage.UNAVAILABLE)
        async with bot_on(server, tmp_path, tiny_chat_model_dir) as process:
            printed = await read_until(process, "next_try_in=")
            began = asyncio.get_running_loop().time()
            printed += await end(process)
            assert asyncio.get_running_loop().time() - began < 10
    assert "Traceback" not in printed
