"""The disk below a benchmark: what is free, what a folder holds, and the page cache."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bot.export.timed_generation import MeasureError

EMPTIED = "emptied"
FILES_DROPPED = "without the disk cache's files"
KEPT = "kept, because this system does not let it be emptied"

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_QUIET_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05


def require_free(folder: Path, needed_bytes: float) -> None:
    """Raise MeasureError if the disk of a folder has no room for this much."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise MeasureError(
            f"{(needed_bytes - free) / 1e9:.1f} GB are missing on the disk of {folder}: this needs "
            f"{needed_bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; free some, or choose another --output"
        )


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; 0 if it is missing."""
    total = 0
    for file in _files(folder):
        with suppress(FileNotFoundError):  # it was replaced meanwhile
            total += file.stat().st_size
    return total


async def settled_bytes(folder: Path) -> int:
    """Wait until a folder no longer grows; return the size of its files. It waits no longer than a minute."""
    size, changed = await asyncio.to_thread(folder_bytes, folder), time.monotonic()
    until = changed + _PATIENCE_SECONDS
    while changed + _QUIET_SECONDS > (now := time.monotonic()) and now < until:
        await asyncio.sleep(_POLL_SECONDS)
        if (found := await asyncio.to_thread(folder_bytes, folder)) != size:
            size, changed = found, time.monotonic()
    return size


def empty_page_cache(folder: Path, *, whole: bool) -> str:
    """Let the next read of the files below a folder come from the disk, as after a restart of the machine.

    Args:
        whole: empty the whole machine's page cache, where permitted.

    Returns:
        what was done: `EMPTIED`, `FILES_DROPPED` or `KEPT`.
    """
    if hasattr(os, "sync"):
        os.sync()
    if whole:
        with suppress(OSError):  # not on Linux, or not permitted
            _DROP_CACHES.write_text("1\n")
            return EMPTIED
    if not hasattr(os, "posix_fadvise"):
        return KEPT
    for file in _files(folder):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    return FILES_DROPPED


def _files(folder: Path) -> Iterator[Path]:
    return (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
