"""Asks a short-lived process what a program or data of somebody else's does.

A chat template is a program, and a tokenizer's file or a member's PDF can make its library take all memory or end the
process. Here that happens in a child with limits on time and memory, never in the bot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.05
_START = "import sys; sys.path.append({root!r}); from {module} import main; main()"
# What Python needs to start; the bot's token and passwords are not the child's business.
_VARIABLES = (
    "APPDATA",
    "HOME",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USERPROFILE",
)


class ChildError(Exception):
    """The child did not answer; the message says in one line what it did instead, as `it takes longer than 10 s`."""


def ask_child(
    module: str,
    job: object,
    *,
    seconds: float,
    on_wait: Callable[[], None] = lambda: None,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """Return the answer of a module's `main`, which is one call of `child_side.answer`.

    Args:
        module: its full name.
        job: any value that JSON can hold.
        seconds: upper bound for the whole child.
        on_wait: called several times a second; it may raise to stop the child.
        environment: the child's variables; None gives it what Python needs to start.

    Raises:
        ChildError: the child took too long, crashed or failed.
        BaseException: what `on_wait` or Ctrl-C raised. No process is left, whatever is raised.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with a module of this package
            [sys.executable, "-P", "-c", _START.format(root=str(_ROOT), module=module)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_what_python_needs() if environment is None else environment,
            start_new_session=True,  # Ctrl-C reaches only the bot, which then kills the child
        )
    except OSError as error:
        raise ChildError(f"no process for it can be started ({error.strerror})") from error
    talk = _Talk(process, job)
    try:
        _wait(talk, seconds, on_wait)
    finally:
        process.kill()
        process.wait()
        talk.join()
        with suppress(OSError):  # what the child has not read is lost
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe
    return _answer_in(talk.output, process.returncode)


def _what_python_needs() -> dict[str, str]:
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


class _Talk(threading.Thread):
    """Sends the job and reads the answer, either of which may block. The pipe stays open: its end ends the child."""

    def __init__(self, process: subprocess.Popen[bytes], job: object) -> None:
        super().__init__(name="child talk", daemon=True)
        self._process = process
        self._line = json.dumps(job).encode() + b"\n"
        self.output = b""
        self.start()

    def run(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(self._line)
            self._process.stdin.flush()
        except OSError:
            pass  # it has ended; the exit code says how
        with self._process.stdout as stdout:
            self.output = stdout.read()
        self._process.wait()


def _wait(talk: _Talk, seconds: float, on_wait: Callable[[], None]) -> None:
    deadline = time.monotonic() + seconds
    while talk.is_alive():
        talk.join(_POLL_SECONDS)
        on_wait()
        if time.monotonic() > deadline and talk.is_alive():
            raise ChildError(f"it takes longer than {seconds:.0f} s")


def _answer_in(output: bytes, exit_code: int) -> Any:
    if exit_code != 0 or not output:
        raise ChildError(f"it crashes (exit code {exit_code}), or needs too much time or memory")
    answer = json.loads(output)
    if "error" in answer:
        raise ChildError(answer["error"])
    return answer["result"]
