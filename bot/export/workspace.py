"""Where a new version is made: a hidden folder beside the finished ones, held by one export at a time.

Whatever ends an export, what it was working on stays in this folder, and the next one removes it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bot.errors import ConfigurationError
from bot.export.progress import size
from bot.model.versions import VERSIONS_NAME, ModelVersions

_LOCK_NAME = ".export.lock"
_WORK_NAME = ".work"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Folders on the same disk as the finished version.

    Attributes:
        versions: the versions that are there.
        folder: everything below it goes with the export.
    """

    versions: ModelVersions
    folder: Path

    @property
    def model(self) -> Path:
        """The model folder in the making."""
        return self.folder / "model"

    @property
    def temporary(self) -> Path:
        """What children take for temporary files; it exists."""
        folder = self.folder / "temporary"
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name: str) -> Path:
        """A file for what a child prints."""
        return self.folder / f"{name}.log"

    def keep_log(self, name: str) -> Path:
        """Let a child's log outlast the workspace, and return where it is."""
        kept = self.versions.home / "export.log"
        shutil.copyfile(self.log(name), kept)
        return kept

    def finish(self, version: str) -> None:
        """Make the model folder a version, with every byte on the disk before its name is there."""
        for path in self.model.iterdir():
            _flush(path)
        _flush(self.model)
        self.model.rename(self.versions.folder(version))
        _flush(self.folder.parent)


@contextmanager
def open_workspace(home: Path, say: Callable[[str], None]) -> Iterator[Workspace]:
    """Hold a folder of versions alone, and have an empty workspace in it for as long as the block lasts.

    Args:
        home: the folder with versions; it is made if need be.
        say: told what an earlier export left behind.

    Raises:
        ConfigurationError: the folder cannot be written, its disk is full, or another export works in it.
    """
    work = home / VERSIONS_NAME / _WORK_NAME
    try:
        with lock_versions(home):
            _clean(work, say)
            work.mkdir(parents=True)
            try:
                yield Workspace(ModelVersions(home), work)
            finally:
                shutil.rmtree(work, ignore_errors=True)  # what cannot be removed now, the next export removes
    except OSError as error:
        raise ConfigurationError(_describe(error, home)) from error


@contextmanager
def lock_versions(home: Path) -> Iterator[None]:
    """Keep other exports out of a folder of versions.

    Raises:
        ConfigurationError: another one is in it.
        OSError: the folder cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / _LOCK_NAME, timeout=0)  # the operating system lets go of it when the process ends
    try:
        lock.acquire()
    except Timeout:
        raise ConfigurationError(f"another export is at work in {home}; wait until it is done") from None
    try:
        yield
    finally:
        lock.release()


def _clean(work: Path, say: Callable[[str], None]) -> None:
    if work.exists():
        left = sum(each.stat().st_size for each in work.rglob("*") if each.is_file())
        shutil.rmtree(work)
        say(f"Removed what an interrupted export left behind ({size(left)}).")


def _flush(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows has no such thing for folders
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(error: OSError, home: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk of {home} is full; nothing was switched and what was written is removed; free some room"
    return f"cannot work in {home}: {error.filename or ''} {error.strerror or error}; choose another --output"
