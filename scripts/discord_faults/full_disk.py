"""A small disk in memory for the bot's data, and a file that fills it. Only root on Linux can mount one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEGABYTES = 32
_PIECE = b"\0" * 4096


class SmallDisk:
    """A folder on a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Write until nothing more fits."""
        with self._filler.open("wb", buffering=0) as file:
            try:
                while file.write(_PIECE):
                    pass
            except OSError:
                return

    def free(self) -> None:
        """Make room again; does nothing if it was not filled."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk_at(folder: Path) -> Iterator[SmallDisk | None]:
    """Create a folder and mount a small disk there; None, with an ordinary folder, where that is impossible."""
    folder.mkdir(parents=True)
    is_mounted = _mount(folder)
    try:
        yield SmallDisk(folder) if is_mounted else None
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def can_mount() -> bool:
    """Return whether this process may mount a disk."""
    with TemporaryDirectory() as folder, small_disk_at(Path(folder) / "disk") as disk:
        return disk is not None


def _mount(folder: Path) -> bool:
    if sys.platform != "linux" or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
