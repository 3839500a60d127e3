"""The hidden folder in which one export at a time builds a version.

A killed export leaves its files there, and the next export removes them. Nobody else may read them: logs name paths
and may quote what a download needs. A finished version has the permissions that the process gives any file, because
the bot may run as another user than the export; a model is no secret.
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
from bot.model.versions import VERSIONS_NAME, ModelVersions
from bot.private_files import make_private_folder, write_private_text
from bot.sizes import size

SOURCES_NAME = "sources"
"""The folder for what an export downloads; one that is interrupted goes on with it."""

_LOCK_NAME = ".export.lock"
_WORK_NAME = ".work"
_LEFTOVERS = {_LOCK_NAME, SOURCES_NAME, VERSIONS_NAME}


@dataclass(frozen=True, slots=True)
class Workspace:
    """Folders on the same disk as the finished version.

    Attributes:
        folder: removed when the export ends.
    """

    versions: ModelVersions
    folder: Path

    @property
    def model(self) -> Path:
        """The new model folder."""
        return self.folder / "model"

    @property
    def temporary(self) -> Path:
        """A folder for the children's temporary files; it exists."""
        folder = self.folder / "temporary"
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name: str) -> Path:
        """The file for a child's output."""
        return self.folder / f"{name}.log"

    def keep_log(self, name: str) -> Path:
        """Copy a child's log out of the workspace, and return the copy."""
        kept = self.versions.home / "export.log"
        write_private_text(kept, self.log(name).read_text(encoding="utf-8", errors="replace"))
        return kept

    def publish(self, version: str) -> None:
        """Make the model folder a version, after flushing every byte of it to the disk."""
        for path in self.model.iterdir():
            _flush(path)
        _flush(self.model)
        self.model.rename(self.versions.folder(version))
        _flush(self.folder.parent)


@contextmanager
def open_workspace(home: Path, say: Callable[[str], None]) -> Iterator[Workspace]:
    """Lock a folder of versions, and give the block an empty workspace in it.

    Args:
        home: the folder with versions; created if it does not exist.
        say: receives a line if an earlier export left files behind.

    Raises:
        ConfigurationError: the folder cannot be written, its disk is full, or another export runs in it.
    """
    work = home / VERSIONS_NAME / _WORK_NAME
    try:
        with lock_versions(home):
            _clean(work, say)
            work.parent.mkdir(exist_ok=True)
            make_private_folder(work)
            try:
                yield Workspace(ModelVersions(home), work)
            finally:
                shutil.rmtree(work, ignore_errors=True)  # the next export removes the rest
    except OSError as error:
        raise ConfigurationError(_describe(error, home)) from error


@contextmanager
def lock_versions(home: Path) -> Iterator[None]:
    """Keep other exports out of a folder of versions.

    Raises:
        ConfigurationError: another export runs in it.
        OSError: the folder cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / _LOCK_NAME, timeout=0)  # the operating system releases it when the process ends
    try:
        lock.acquire()
    except Timeout:
        raise ConfigurationError(f"another export is running in {home}; wait until it ends") from None
    try:
        yield
    finally:
        lock.release()


def holds_no_model(home: Path) -> bool:
    """Whether a folder of versions is missing, or holds no more than an export leaves that did not finish."""
    try:
        found = {each.name for each in home.iterdir()} if home.exists() else set()
        return not (found - _LEFTOVERS or ModelVersions(home).names)
    except OSError:  # whoever opens the folder says what is wrong
        return False


def _clean(work: Path, say: Callable[[str], None]) -> None:
    if work.exists():
        left = sum(each.stat().st_size for each in work.rglob("*") if each.is_file())
        shutil.rmtree(work)
        say(f"Removed the files of an interrupted export ({size(left)}).")


def _flush(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows cannot flush folders
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(error: OSError, home: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk of {home} is full; the current version stays and the new files are removed; free some space"
    return f"cannot work in {home}: {error.filename or ''} {error.strerror or error}; choose another --output"
