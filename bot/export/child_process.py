"""Runs a heavy part of an export in its own process, so that its memory and its crashes end with it.

A child never outlives its parent, not even after a `kill -9`: nothing may keep writing into the export's folder.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bot.child_environment import child_environment

_ROOT = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.25
_TAIL_BYTES = 20_000
_FULL_BYTES = 1_000_000
_CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ChildError(Exception):
    """A child failed; the message says why in one line."""


def run_child(
    module: str,
    arguments: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    on_poll: Callable[[], None] = lambda: None,
) -> None:
    """Run a module of this package as a program until it ends.

    Args:
        module: such as `bot.export.conversion_child`; its `main` calls `die_with_parent` first.
        log: overwritten with everything that the child prints.
        environment: added to this process's own, of which the child gets no secrets.
        on_poll: called four times a second.

    Raises:
        ChildError: its exit code is not 0.
        OSError: its exit code is not 0, and the disk is full.
        BaseException: whatever `on_poll` or Ctrl-C raised, after the child was killed.
    """
    variables = {**child_environment(), **_import_path(), "PYTHONUNBUFFERED": "1"}
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 - this interpreter, with a module of this package
            [sys.executable, "-m", module, *arguments],
            # Nobody writes there. The pipe closes when this process ends, and `die_with_parent` waits for that.
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**variables, **(environment or {})},
            start_new_session=True,  # Ctrl-C reaches only the parent, which then kills the child
        ) as process,
    ):
        try:
            _wait(process, on_poll)
        except BaseException:
            _kill(process)
            raise
    if process.returncode != 0:
        if shutil.disk_usage(log.parent).free < _FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # few libraries say that this stopped them
        raise ChildError(_why(log, process.returncode))


def die_with_parent() -> None:
    """Kill this process and its own children as soon as its parent is gone. A child's `main` calls this."""

    def wait() -> None:
        # Not sys.stdin: the thread would still hold its lock when the interpreter ends.
        while os.read(0, 4096):
            pass
        if os.name == "posix" and os.getpid() == os.getpgid(0):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="parent watch", daemon=True).start()


def _import_path() -> dict[str, str]:
    """Let a child import this very package, from a checkout too.

    An installed package needs nothing, and must not put all of site-packages before the standard library.
    """
    if _ROOT in [Path(each).resolve() for each in (*site.getsitepackages(), site.getusersitepackages())]:
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}


def without_colours(text: str) -> str:
    """Remove a terminal's control sequences from a program's output."""
    return _CONTROL_SEQUENCE.sub("", text)


def _wait(process: subprocess.Popen[bytes], on_poll: Callable[[], None]) -> None:
    while True:
        try:
            process.wait(timeout=_POLL_SECONDS)
            return
        except subprocess.TimeoutExpired:
            on_poll()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None and os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _why(log: Path, exit_code: int) -> str:
    """The most telling line of the log: the child's own error, or the end of a traceback."""
    if os.name == "posix" and exit_code == -signal.SIGKILL:
        return "it was killed, most likely because memory ran out"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = without_colours(file.read().decode("utf-8", errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    if exit_code < 0:
        return f"it crashed (signal {-exit_code})"
    return lines[-1] if lines else f"it ended with exit code {exit_code} and printed nothing"
