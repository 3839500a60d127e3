"""Works out how much memory this process may still take: the machine's free memory, or less under a limit.

The Linux kernel documents the files in "Control Group v2" and "Memory Resource Controller".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class UsableMemory:
    """Memory that this process may still take.

    Attributes:
        limit: what limits it, for display.
    """

    bytes: int
    limit: str


@dataclass(frozen=True, slots=True)
class _Controller:
    """File names of a cgroup version, and the lines of `memory.stat` that count the page cache."""

    folder: str
    limits: tuple[str, ...]
    usage: str
    page_cache: tuple[str, ...]


# All of the page cache counts as free, as in the kernel's own "available": a model that was loaded before has left its
# weights in the active part, and must still fit when the worker restarts.
_VERSION_2 = _Controller(
    "sys/fs/cgroup", ("memory.max", "memory.high"), "memory.current", ("inactive_file", "active_file")
)
_VERSION_1 = _Controller(
    "sys/fs/cgroup/memory",
    ("memory.limit_in_bytes",),
    "memory.usage_in_bytes",
    ("total_inactive_file", "total_active_file"),
)


def usable_memory(root: Path = Path("/")) -> UsableMemory:
    """Return the least of the machine's free memory and what each limit leaves.

    The address space (`ulimit -v`) counts in full, mapped files included. An unreadable limit limits nothing.

    Args:
        root: the folder of `proc` and `sys`.
    """
    found = [UsableMemory(psutil.virtual_memory().available, "the machine's free memory")]
    found += _left_by_cgroups(root)
    found += _left_by_process_limits()
    return min(found, key=lambda each: each.bytes)


def _left_by_cgroups(root: Path) -> Iterator[UsableMemory]:
    memberships = _memberships(root)
    for controller, name in ((_VERSION_2, ""), (_VERSION_1, "memory")):
        path = next((path for names, path in memberships if name in names.split(",")), "/")
        for folder in _upwards(root / controller.folder, path):
            yield from _left_by_cgroup(folder, controller)


def _memberships(root: Path) -> list[tuple[str, str]]:
    """Read `/proc/self/cgroup`: controllers and path of each line; version 2 has no controllers."""
    parts = [line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines()]
    return [(each[1], each[2]) for each in parts if len(each) == 3]


def _upwards(top: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a group and all above it; each may limit it.

    In a container the path may be the host's; then the top is the container's own group.
    """
    folder = top / path.lstrip("/")
    while folder != top:
        yield folder
        folder = folder.parent
    yield top


def _left_by_cgroup(folder: Path, controller: _Controller) -> Iterator[UsableMemory]:
    usage = _number(_text(folder / controller.usage)) or 0
    statistics = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    cached = sum(_number(statistics.get(name, "")) or 0 for name in controller.page_cache)
    for name in controller.limits:
        limit = _number(_text(folder / name))
        if limit is not None:
            left = min(max(limit - usage + cached, 0), limit)
            yield UsableMemory(left, f"the cgroup limit of {limit / 1e9:.1f} GB")


def _left_by_process_limits() -> Iterator[UsableMemory]:
    if sys.platform != "linux":
        return
    import resource  # only Linux both has and enforces these limits

    taken = psutil.Process().memory_info()
    for number, used, name in (
        (resource.RLIMIT_AS, taken.vms, "address space, ulimit -v"),
        (resource.RLIMIT_DATA, taken.data, "data, ulimit -d"),
    ):
        limit, _ = resource.getrlimit(number)
        if limit != resource.RLIM_INFINITY:
            yield UsableMemory(max(limit - used, 0), f"the process limit of {limit / 1e9:.1f} GB ({name})")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _number(text: str) -> int | None:
    """Parse a file's number; None for "max", which means no limit, and for a missing file."""
    return int(text) if text.strip().isdecimal() else None
