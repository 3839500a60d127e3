"""Keeps erasures on disk until a worker has applied them to the disk cache.

The bot appends an erasure before the database commits the change that caused it. So what the database has forgotten
also leaves the disk cache when bot and worker both crash, or the power fails.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.engine.interface import Erasure
from bot.private_files import private_opener, sync_folder

logger = logging.getLogger(__name__)

_OF_THE_FILE_SYSTEM = "lost+found"
"""On a disk of its own; the bot may not read it."""

_NAME = "erasures.jsonl"
_TAKEN_BEGIN = "erasures.taken-"


class ErasureLog:
    """The erasures that the files of the disk cache may not have gone through.

    The bot's process appends; a worker takes. All methods block.

    Args:
        folder: of the disk cache.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _NAME
        self._appending = threading.Lock()
        self._taken: list[Path] = []

    def append(self, erasure: Erasure) -> None:
        """Store an erasure durably. Where that is impossible, delete all blocks of the disk cache instead.

        Without the folder nothing is stored, because nothing is cached.
        """
        line = _line_of(erasure)
        with self._appending:
            try:
                # A worker that took the log at this moment may have missed the line; then it goes into the next log.
                while self._folder.is_dir() and not self._write(line):
                    pass
            except OSError as error:
                self._delete_all(error)

    def take(self) -> list[Erasure] | None:
        """The erasures that must be applied to the files of all identities; call `applied` afterwards.

        Until then they stay for the next worker too. A line that a power cut tore apart is left out, because the
        change that it stands for is not committed.

        Returns:
            the oldest first; None if they cannot be read, so that everything in the disk cache must be deleted.
        """
        try:
            with suppress(FileNotFoundError):  # there is none, or another worker was faster
                self._path.rename(self._folder / f"{_TAKEN_BEGIN}{time.time_ns()}.jsonl")
            self._taken = [path for path in _log_files(self._folder) if path != self._path]
            return [erasure for path in self._taken for erasure in _erasures_in(path)]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            logger.warning("Erasures cannot be read path=%s reason=%s", self._folder, error)
            return None

    def applied(self) -> None:
        """Remove what `take` has returned.

        Raises:
            OSError: it cannot be removed; the next worker applies it again.
        """
        for path in self._taken:
            path.unlink(missing_ok=True)

    def _write(self, line: bytes) -> bool:
        """Append a line; return whether the file is still the log."""
        with open(self._path, "ab", opener=private_opener) as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
            sync_folder(self._folder)
            try:
                return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
            except FileNotFoundError:
                return False

    def _delete_all(self, cause: OSError) -> None:
        try:
            delete_blocks(self._folder)
        except OSError as error:
            logger.error(
                "Words that were deleted may stay in the disk cache, which can be neither changed nor deleted; stop "
                "the bot and delete the folder path=%s reason=%s",
                self._folder,
                error,
            )
        else:
            logger.error(
                "Disk cache emptied, because it could not record what must leave it; make room on its disk, and make "
                "it writable for the bot path=%s reason=%s",
                self._folder,
                cause,
            )


def delete_blocks(folder: Path) -> None:
    """Delete the blocks of all identities, and then the erasures, which concern nothing any more.

    Engines that run keep their folders and locks, and go on.

    Args:
        folder: of the disk cache; may be missing.

    Raises:
        OSError: something cannot be deleted; the erasures are still there.
    """
    if not folder.is_dir():
        return
    for _ in range(2):  # an engine may be renaming a block that it has just written
        for identity in identity_folders(folder):
            for path in (path for path in identity.iterdir() if not path.name.startswith(".")):
                path.unlink(missing_ok=True)
    for path in _log_files(folder):
        path.unlink(missing_ok=True)


def identity_folders(folder: Path) -> list[Path]:
    """The folders of all engines' blocks; not what a link leads to.

    Args:
        folder: of the disk cache.
    """
    folders = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return [path for path in folders if path.name != _OF_THE_FILE_SYSTEM]


def _log_files(folder: Path) -> list[Path]:
    """The logs that were taken, the oldest first, and the one that is appended to."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir()]
    taken = sorted(name for name in names if name.startswith(_TAKEN_BEGIN))
    return [folder / name for name in (*taken, *(name for name in names if name == _NAME))]


def _line_of(erasure: Erasure) -> bytes:
    fields = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(erasure).items()}
    return json.dumps([_checksum(fields), fields]).encode() + b"\n"


def _erasures_in(path: Path) -> list[Erasure]:
    """Read the erasures of a file.

    Raises:
        OSError, ValueError, TypeError, RecursionError: it cannot be read.
    """
    try:
        *lines, _torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []  # another worker has applied it to all identities
    return [_erasure_of(line) for line in lines]


def _erasure_of(line: bytes) -> Erasure:
    checksum, fields = json.loads(line)
    if checksum != _checksum(fields):
        raise ValueError("a line is damaged")
    values: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Erasure(**values)


def _checksum(fields: object) -> int:
    return zlib.crc32(json.dumps(fields).encode())
