"""The child's side of `child_process`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_MOST_ERROR_CHARACTERS = 300


def answer(work: Callable[[Any], Any], *, seconds: float, memory_bytes: int) -> None:
    """Read the job, do the work within limits, and write its result or one line that says why there is none.

    Args:
        work: from the job to a value that JSON can hold.
        seconds: of the processor; where the platform cannot limit that, only the parent's limit applies.
        memory_bytes: the same holds for memory.
    """
    for each in (signal.SIGINT, signal.SIGTERM):  # a service manager sends it to all; only the bot may end its child
        signal.signal(each, signal.SIG_IGN)
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_die_with_parent, name="parent watch", daemon=True).start()
    _limit(seconds, memory_bytes)
    try:
        reply = {"result": work(job)}
    except BaseException as error:  # noqa: BLE001 - a panic of the tokenizers library is no Exception
        reply = {"error": reason(error)}
    sys.stdout.write(json.dumps(reply))
    sys.stdout.flush()


def reason(error: BaseException) -> str:
    """Say in one line why something failed."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    return " ".join(str(error).split())[:_MOST_ERROR_CHARACTERS] or type(error).__name__


def _die_with_parent() -> None:
    # Not sys.stdin: the thread would still hold its lock when the interpreter ends.
    while os.read(0, 4096):
        pass
    os._exit(1)


def _limit(seconds: float, memory_bytes: int) -> None:
    with suppress(OSError):  # not Linux; there the child is killed before the bot where memory runs out
        Path("/proc/self/oom_score_adj").write_text("1000")
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, limit in (
        (resource.RLIMIT_CPU, int(seconds)),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # a lower limit is set already
            resource.setrlimit(kind, (limit, limit))
