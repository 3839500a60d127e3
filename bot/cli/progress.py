"""Shows what takes long, for whoever waits in front of it or reads the log later."""

from __future__ import annotations

import asyncio
import logging
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
        self._is_line_open = False
        self._stage = ""
        self._started = 0.0

    def stage(self, text: str) -> None:
        """Begin a stage, or change the line of the running one."""
        self._end_line()
        self._stage = text
        self._started = time.monotonic()
        self._print_stage(text)

    def done(self, text: str = "") -> None:
        """End the last stage; `text` is printed below it."""
        self._end_line()
        self._stage = ""
        if text:
            print(text, file=self._stream, flush=True)

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[Progress]:
        """Count the seconds of each stage while the block runs; lines of the log begin below a stage's line."""
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
                line = f"{self._stage} … {time.monotonic() - self._started:.0f} s"
                self._print_stage(f"\r{line}" if self._in_place else line)

    def _print_stage(self, line: str) -> None:
        print(line, end="" if self._in_place else "\n", file=self._stream, flush=True)
        self._is_line_open = self._in_place

    def _make_room(self, _record: logging.LogRecord) -> bool:
        self._end_line()
        return True

    def _end_line(self) -> None:
        if self._is_line_open:
            self._is_line_open = False
            print(file=self._stream)
