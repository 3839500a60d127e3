"""Say what is going on while it takes long."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TextIO

_TICK_SECONDS = 1.0
_TICK_SECONDS_IN_A_LOG = 10.0


class Progress:
    """Prints one line for each stage; while a stage lasts, its seconds count up.

    On a terminal the seconds count in place. In a file or a pipe a new line is written every ten seconds.

    Args:
        stream: where to print.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._in_place = stream.isatty()
        self._stage = ""
        self._since = 0.0

    def stage(self, text: str) -> None:
        """Begin a stage, or change the line of the running one."""
        self._end_line()
        self._stage = text
        self._since = time.monotonic()
        print(text, end="" if self._in_place else "\n", file=self._stream, flush=True)

    def done(self, text: str = "") -> None:
        """End the last stage, with a last line where there is one."""
        self._end_line()
        self._stage = ""
        if text:
            print(text, file=self._stream, flush=True)

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[Progress]:
        """Count the seconds of each stage as long as the block lasts."""
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
            await asyncio.sleep(_TICK_SECONDS if self._in_place else _TICK_SECONDS_IN_A_LOG)
            if self._stage:
                line = f"{self._stage} … {time.monotonic() - self._since:.0f} s"
                print(f"\r{line}" if self._in_place else line, end="" if self._in_place else "\n", file=self._stream)
                self._stream.flush()

    def _end_line(self) -> None:
        if self._stage and self._in_place:
            print(file=self._stream)
