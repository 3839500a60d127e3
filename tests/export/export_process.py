"""Runs scripts/export_model.py in its own process, as an admin does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "export_model.py"
LONG_SECONDS = 400.0
_MARK = "EXPORT_TEST"


@dataclass(frozen=True)
class Done:
    """The result of an export that has ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line that the admin reads."""
        assert "Traceback" not in self.err, self.err
        return self.err.rstrip("\n").splitlines()[-1]


def export(*arguments: object, **environment: str) -> Done:
    """Run it to its end."""
    process = ExportProcess(Path(os.devnull), *arguments, **environment)
    return process.end()


class ExportProcess:
    """A running export.

    Args:
        home: the folder with versions; part of the mark that finds its leftover processes.
        arguments: the command line.
        environment: added variables.
    """

    def __init__(self, home: Path, *arguments: object, **environment: str) -> None:
        self._mark = f"{home}-{time.monotonic_ns()}"
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(environment),
        )

    def wait_for(self, beginning: str) -> str:
        """Read its output until a line starts with `beginning`; return all lines up to that one."""
        assert self._process.stderr is not None
        read = []
        for line in self._process.stderr:
            read.append(line)
            if line.startswith(beginning):
                return "".join(read)
        raise AssertionError(f"no line starts with {beginning!r}: {''.join(read)}")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend it for the block; a signal that it gets meanwhile reaches it afterwards."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def end(self) -> Done:
        """Wait until it has ended."""
        out, err = self._process.communicate(timeout=LONG_SECONDS)
        return Done(self._process.returncode, out, err)

    def kill(self) -> None:
        """Kill it without warning, and wait until none of its processes is left."""
        self.signal(signal.SIGKILL)
        assert self.end().code == -signal.SIGKILL
        self.wait_until_alone()

    def wait_until_alone(self) -> None:
        """Wait until none of the processes that it started is left."""
        wait_until(lambda: not self._family())

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **more, _MARK: self._mark}

    def _family(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == self._mark:
                    found.append(process)
            except psutil.Error:  # it has just ended, or is another user's
                continue
        return found


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds, for what reports no event."""
    end = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
