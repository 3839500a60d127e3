"""Shows what takes long, for whoever waits in front of it or reads the log later."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TextIO

_TERMINAL_SECONDS = 1.0
_LOG_SECONDS = 10.0


class Progress:
    """Prints a line for each stage and counts its seconds: in place on a terminal, as a new line every 10 s elsewhere.

    Args:
        stream: where to print; None is stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._shown = ""  # on the terminal's last line
        self._stage = ""
        self._started = 0.0

    def stage(self, text: str) -> None:
        """Begin a stage. The same text up to a colon goes on with the running one, as in `Downloading: 3 of 9 MB`."""
        goes_on = ":" in text and text.partition(":")[0] == self._stage.partition(":")[0]
        self._stage = text
        if not goes_on:
            self._end_line()
            self._started = time.monotonic()
            self._print_stage(text)
        elif self._in_place:
            self._print_stage(text)

    def done(self, text: str = "") -> None:
        """End the last stage; `text` is printed below it."""
        self._end_line()
        self._stage = ""
        if text:
            self._print(f"{text}\n")

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[Progress]:
        """Count the seconds of each stage while the block runs; a line of the log takes the place of a stage's."""
        task = asyncio.create_task(self._tick())
        handlers = list(logging.getLogger().handlers)
        for handler in handlers:
            handler.addFilter(self._make_room)
        try:
            yield self
        finally:
            for handler in handlers:
                handler.removeFilter(self._make_room)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.done()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TERMINAL_SECONDS if self._in_place else _LOG_SECONDS)
            if self._stage:
                self._print_stage(f"{self._stage} … {time.monotonic() - self._started:.0f} s")

    def _print_stage(self, line: str) -> None:
        if not self._in_place:
            self._print(f"{line}\n")
            return
        # A line that wraps could not be overwritten.
        line = line[: shutil.get_terminal_size().columns - 1]
        begin = "\r" if self._shown else ""
        self._print(f"{begin}{line}{' ' * (len(self._shown) - len(line))}")
        self._shown = line

    def _make_room(self, _record: logging.LogRecord) -> bool:
        if self._shown:
            self._print(f"\r{' ' * len(self._shown)}\r")
            self._shown = ""
        return True

    def _end_line(self) -> None:
        if self._shown:
            self._shown = ""
            self._print("\n")

    def _print(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError:  # the disk is full, or the terminal was closed: the log loses lines then, too, and the bot runs
            return
