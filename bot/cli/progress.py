"""Shows what takes long, for whoever waits in front of it or reads the log later."""

from __future__ import annotations

import asyncio
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
        self._stage = ""
        self._started = 0.0

    def stage(self, text: str) -> None:
        """Begin a stage, or change the line of the running one."""
        self._end_line()
        self._stage = text
        self._started = time.monotonic()
        print(text, end="" if self._in_place else "\n", file=self._stream, flush=True)

    def done(self, text: str = "") -> None:
        """End the last stage; `text` is printed below it."""
        self._end_line()
        self._stage = ""
        if text:
            print(text, file=self._stream, flush=True)

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[Progress]:
        """Count the seconds of each stage while the block runs."""
        task = asyncio.create_task(self._tick())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.done()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TERMINAL_SECONDS if self._in_place else _LOG_SECONDS)
            if self._stage:
                line = f"{self._stage} … {time.monotonic() - self._started:.0f} s"
                print(f"\r{line}" if self._in_place else line, end="" if self._in_place else "\n", file=self._stream)
                self._stream.flush()

    def _end_line(self) -> None:
        if self._stage and self._in_place:
            print(file=self._stream)
