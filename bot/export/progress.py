"""One line with the running stage, its progress and the time left."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_IN_PLACE_SECONDS = 0.25
_IN_A_LOG_SECONDS = 10.0


class ProgressLine:
    """Prints stages: updates one line on a terminal, and adds a line every ten seconds in a log."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._in_place = stream.isatty()
        self._shown = ""
        self._next = 0.0

    def stage(self, text: str) -> None:
        """Start a stage."""
        self.end()
        self._write(text)
        self._next = time.monotonic() + (_IN_PLACE_SECONDS if self._in_place else _IN_A_LOG_SECONDS)

    def update(self, text: str) -> None:
        """Show the stage's progress; prints at most every quarter second, in a log every ten seconds."""
        now = time.monotonic()
        if now >= self._next:
            self._write(text)
            self._next = now + (_IN_PLACE_SECONDS if self._in_place else _IN_A_LOG_SECONDS)

    def say(self, text: str) -> None:
        """Print a permanent line."""
        self.end()
        print(text, file=self._stream, flush=True)

    def end(self) -> None:
        """End the running stage's line."""
        if self._in_place and self._shown:
            print(file=self._stream, flush=True)
        self._shown = ""

    def _write(self, text: str) -> None:
        if self._in_place:
            padding = " " * (len(self._shown) - len(text))
            print(f"\r{text}{padding}", end="", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)
        self._shown = text


class Estimate:
    """Estimates the time left from the progress so far."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first: float | None = None

    def left(self, fraction: float) -> str:
        """Return `, about … left`, or nothing while it is too early to say.

        Args:
            fraction: done so far, 0 to 1. What was done before the first call does not count as speed.
        """
        if self._first is None:
            self._first = fraction
            self._started = time.monotonic()
        elapsed, done = time.monotonic() - self._started, fraction - self._first
        if elapsed < 2.0 or done <= 0.01:
            return ""
        return f", about {duration(elapsed * (1 - fraction) / done)} left"


def duration(seconds: float) -> str:
    """Format seconds."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
