"""What a service manager hears from the real bot, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.end_to_end.test_drain import ROOT, SeparateBot, bot
from tests.manager_socket import ManagerSocket

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no service manager with a socket")

WATCHDOG_SECONDS = 0.5
EXTENSION = "EXTEND_TIMEOUT_USEC=60000000"
RUNNING, ENDING = ["WATCHDOG=1"], ["WATCHDOG=1", EXTENSION]

# A handler of Python's own runs in the event loop's thread, and the loop waits for it.
BLOCKABLE = f"""
import runpy, signal

def block(*_):
    with open("fifo") as fifo:
        fifo.read()

if __name__ == "__main__":  # the engine's process reads this file, too
    signal.signal(signal.SIGUSR1, block)
    runpy.run_path({str(ROOT / "scripts" / "bot_on_loopback.py")!r}, run_name="__main__")
"""


async def check_start(manager: ManagerSocket, stage: SeparateBot) -> None:
    lines = await manager.until("READY=1")
    stages = [line.partition("=")[2] for line in lines if line.startswith("STATUS=")]
    assert stages[:2] == ["Opening the database", "Logging in to Discord"]
    assert any("oading" in each for each in stages), stages
    assert stages[-2] == "Connecting to Discord"
    assert stages[-1].endswith("is online; servers: 1")
    assert lines.count("WATCHDOG=1") == lines.count(EXTENSION) > 1
    assert "STOPPING=1" not in lines
    assert stage.discord.bot_online


async def check_blocked_loop(manager: ManagerSocket, stage: SeparateBot, fifo: Path) -> None:
    assert await manager.next() == RUNNING
    os.mkfifo(fifo)
    stage.process.send_signal(signal.SIGUSR1)
    with await asyncio.to_thread(fifo.open, "w"):  # opens once the bot's loop is blocked
        manager.waiting()
        await asyncio.sleep(3 * WATCHDOG_SECONDS)
        assert manager.waiting() == []
        assert psutil.Process(stage.process.pid).children(), "the engine lives, but nobody takes it for the bot"
    assert await manager.next() == RUNNING


async def test_it_hears_the_start_the_heartbeat_and_the_drain(small_model_dir: Path, tmp_path: Path) -> None:
    launcher = tmp_path / "blockable.py"
    launcher.write_text(BLOCKABLE)
    async with ManagerSocket(str(tmp_path / "notify")) as manager:
        settings = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6))}
        settings |= {"MAX_NEW_TOKENS": "300", "DRAIN_SECONDS": "300"}
        async with bot(small_model_dir, tmp_path, launcher, **settings) as stage:
            await check_start(manager, stage)
            children = psutil.Process(stage.process.pid).children()
            assert children
            assert not any({"NOTIFY_SOCKET", "WATCHDOG_USEC"} & child.environ().keys() for child in children)
            await check_blocked_loop(manager, stage, tmp_path / "fifo")

            ada = stage.discord.people[0]
            await stage.mention(ada)
            await stage.text_with(ada, "1, 2, 3")
            stage.process.terminate()

            assert (await manager.until("STOPPING=1"))[-3:] == ["STOPPING=1", *ENDING]
            assert await manager.next() == ["STATUS=Waiting for running answers to finish"]
            assert await manager.next() == ENDING
            assert await stage.exit_code() == 0
            assert set(map(tuple, manager.waiting())) == {tuple(ENDING)}
