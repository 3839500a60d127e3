"""The bot in a process of its own, on a loopback Discord that outlives it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from bot.demo.loopback import LoopbackDiscord
from bot.settings import Settings

_LAUNCHER = Path(__file__).resolve().parents[1] / "bot_on_loopback.py"
_MARK = "BOT_PROCESS_MARK"
_EXIT_SECONDS = 10.0


class BotProcess:
    """Starts, kills and stops `python -m bot run`, always with the same data folder.

    Args:
        folder: the working directory, created if it is missing; data and log are below it.
        settings: by their names in `.env`; all others have their defaults.

    Attributes:
        started_at: the last start, in seconds of `time.monotonic()`.
    """

    def __init__(self, discord: LoopbackDiscord, model_dir: Path, folder: Path, settings: Mapping[str, str]) -> None:
        self._discord = discord
        self._model_dir = model_dir.absolute()
        self._folder = folder.absolute()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._settings = settings
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
    def process_id(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has exited by itself."""
        return self._process is not None and self._process.returncode is not None

    async def start(self) -> None:
        """Start the process; the bot is online some seconds later."""
        unset = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
        environment |= {
            **self._settings,
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

    async def wait(self) -> int:
        """Wait until the process has exited; return its exit code."""
        assert self._process is not None
        return await self._process.wait()

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
