"""The bot in a process of its own, on a loopback Discord that outlives it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil

from bot.demo.loopback import LoopbackDiscord
from bot.settings import Settings
from kill_injection.model import ANSWER_TOKENS

_LAUNCHER = Path(__file__).resolve().parents[1] / "bot_on_loopback.py"
_MARK = "KILL_SUITE"
_EXIT_SECONDS = 10.0
_SETTINGS = {
    "DRAIN_SECONDS": "60",
    "KV_CACHE_GIGABYTES": "0.1",
    "MAX_NEW_TOKENS": str(ANSWER_TOKENS),
    "MAX_PROMPT_TOKENS": "1000",
    "MAX_WAITING": "256",
    "MAX_WAITING_PER_PERSON": "256",
    "TEMPERATURE": "1",
}


class BotProcess:
    """Starts, kills and stops `python -m bot run`, always with the same data folder.

    Args:
        folder: the working directory; data and log are below it.

    Attributes:
        started_at: the last start, in seconds of `time.monotonic()`.
    """

    def __init__(self, discord: LoopbackDiscord, model_dir: Path, folder: Path) -> None:
        self._discord = discord
        self._model_dir = model_dir
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self._process: asyncio.subprocess.Process | None = None
        self.started_at = 0.0

    @property
    def database(self) -> Path:
        """The database file."""
        return self._folder / "data" / "conversations.sqlite3"

    @property
    def log(self) -> Path:
        """The output of all its processes."""
        return self._folder / "log.txt"

    @property
    def ended(self) -> bool:
        """Whether the process has exited by itself."""
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> None:
        """Start the process; the bot is online some seconds later."""
        unset = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
        environment |= _SETTINGS | {
            "DISCORD_TOKEN": self._discord.bot_token,
            "MODEL_DIR": str(self._model_dir),
            "PYTHONPATH": str(_LAUNCHER.parents[1]),
            _MARK: self._mark,
        }
        addresses = [self._discord.api_url, self._discord.gateway_url, self._discord.cdn_url]
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_LAUNCHER),
                *addresses,
                "run",
                cwd=self._folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def kill(self) -> list[int]:
        """Kill the process; return the ids of its child processes that survive by more than some seconds."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        return await self._left_behind()

    async def terminate(self, time_limit_seconds: float) -> int:
        """Ask the process to stop; return its exit code.

        Raises:
            TimeoutError: it did not exit in time.
        """
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(time_limit_seconds):
            return await self._process.wait()

    async def _left_behind(self) -> list[int]:
        until = time.monotonic() + _EXIT_SECONDS
        while (found := await asyncio.to_thread(self._marked)) and time.monotonic() < until:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
        return found

    def _marked(self) -> list[int]:
        """The bot's processes, children of children included."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == self._mark:
                    found.append(process.pid)
        return found
