"""What the bot's process shows of itself: tracebacks in its log, and its memory."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import psutil

from separate_bot.bot_process import BotProcess

_TRACEBACK = "Traceback (most recent call last):"
_SAMPLE_SECONDS = 0.5
_MEGABYTE = 2**20


class LogReader:
    """Reads what was added to a log."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0

    def read_new(self) -> str:
        """Return what was added since the last call."""
        with self._file.open("rb") as log:
            log.seek(self._offset)
            added = log.read()
        self._offset += len(added)
        return added.decode(errors="replace")


def tracebacks(log: str) -> list[str]:
    """Return the last line of each traceback in a log."""
    return [_last_line(part) for part in log.split(_TRACEBACK)[1:]]


def _last_line(traceback: str) -> str:
    """Return the first line that is not indented: the exception."""
    lines = traceback.splitlines()[1:]
    return next((line for line in lines if line and not line.startswith(" ")), "a traceback without an end")


class MemoryWatch:
    """Samples the resident memory of the bot's process until it is closed.

    Attributes:
        peak_megabytes: the most since the last `restart`.
    """

    def __init__(self, bot: BotProcess) -> None:
        self._bot = bot
        self._task = asyncio.create_task(self._sample())
        self.peak_megabytes = 0.0

    def restart(self) -> None:
        """Forget the peak."""
        self.peak_megabytes = 0.0

    async def close(self) -> None:
        """Stop sampling."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _sample(self) -> None:
        while True:
            with suppress(psutil.Error):  # between a kill and the next start
                used = psutil.Process(self._bot.process_id).memory_info().rss / _MEGABYTE
                self.peak_megabytes = max(self.peak_megabytes, used)
            await asyncio.sleep(_SAMPLE_SECONDS)
