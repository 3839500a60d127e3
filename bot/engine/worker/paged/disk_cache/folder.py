"""The folder of the disk cache: one folder for each identity, of which only the current one's is kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bot.engine.erasure_log import ErasureLog, identity_folders
from bot.engine.interface import first_erasure_number
from bot.engine.past_erasures import PastErasures
from bot.engine.worker.paged.disk_cache.block_file import (
    SUFFIX,
    UNFINISHED_SUFFIX,
    DamagedBlockError,
    StoredBlock,
    file_name,
    read_stored_block,
    write_block,
)
from bot.engine.worker.paged.disk_cache.budget import default_budget, kept_free
from bot.engine.worker.paged.disk_cache.index import DiskIndex, FoundBlock
from bot.private_files import make_private_folder

_LOCK_NAME = ".lock"
_LOCK_MODE = 0o600


class CacheFolder:
    """The files of one identity.

    Holds a lock for as long as the process lives, so that another engine, which loads to take over, leaves the files
    alone. Two engines with one identity share them: they write the same blocks under the same names.

    Args:
        root: of the whole disk cache.
        identity: see `cache_identity`.

    Attributes:
        path: of the identity's folder.
    """

    def __init__(self, root: Path, identity: str) -> None:
        """Create the folder.

        Raises:
            OSError: it cannot be created.
        """
        self.path = root / identity
        self._root = root
        self._payload_bytes: int | None = None
        make_private_folder(self.path)
        self._lock = FileLock(self.path / _LOCK_NAME, timeout=0, mode=_LOCK_MODE, thread_local=False)
        self.tidy()

    def read_index(self, payload_bytes: int) -> DiskIndex:
        """Apply the erasures of the log to all files, and read the index of this identity.

        Args:
            payload_bytes: the size of a block's payload.

        Raises:
            OSError: the folder cannot be read.
        """
        log = ErasureLog(self._root)
        erasures = log.take()
        past = None if erasures is None else PastErasures(erasures)
        latest = first_erasure_number()

        def is_erased(block: StoredBlock) -> bool:
            if block.erasures > latest:  # the clock was set back: no erasure from now on would concern it
                return True
            return any(past is None or past.concern(source, block.erasures) for source in block.sources)

        self._payload_bytes = payload_bytes
        for folder in self._others():
            _read_index(folder, is_erased, None, in_use=True)
        index = _read_index(self.path, is_erased, payload_bytes, in_use=self.is_shared)
        log.applied()
        return index

    def remove(self, blocks: Iterable[StoredBlock]) -> int:
        """Delete blocks' files; a missing one is no error.

        Returns:
            0: nothing was moved.

        Raises:
            OSError: one cannot be deleted; the others are.
        """
        refused: OSError | None = None
        for block in blocks:
            try:
                (self.path / block.file_name).unlink(missing_ok=True)
            except NotADirectoryError:
                return 0  # something else has taken the folder's place
            except OSError as error:
                refused = error
        if refused is not None:
            raise refused
        return 0

    def note_use(self, key: str) -> int:
        """Store that a block was used now; return 0: nothing was moved."""
        with suppress(OSError):  # it is gone, or the disk is read-only: the order of eviction is a little worse then
            os.utime(self.path / file_name(key))
        return 0

    def take_over(self, known: DiskIndex, inherit: Callable[[list[FoundBlock]], None]) -> int:
        """Tidy, and find what another engine, which has ended, wrote here since `read_index`; delete what it broke off.

        Args:
            known: the other blocks.
            inherit: called with what was found, once.

        Returns:
            0: nothing was moved.

        Raises:
            OSError: the folder cannot be read.
        """
        was_shared = self.is_shared
        self.tidy()
        if was_shared and not self.is_shared:
            unknown = [path for path in self.path.iterdir() if not (path.suffix == SUFFIX and path.stem in known)]
            found, unusable = _read_blocks(unknown, lambda _: False, self._payload_bytes)
            inherit(found)
            for path in unusable:
                path.unlink(missing_ok=True)
        return 0

    def write(self, block: StoredBlock, payload: Sequence[memoryview]) -> int:
        """Write a block's file, and return its size in bytes.

        Raises:
            OSError: it cannot be written, or the disk would be nearly full.
        """
        make_private_folder(self.path)  # it may have been deleted to erase everything
        usage = shutil.disk_usage(self.path)
        if usage.free - sum(map(len, payload)) < kept_free(usage.total):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_block(self.path, block, payload)

    def close(self) -> None:
        """Release the lock; the end of the process does so too."""
        self._lock.release()

    @property
    def is_shared(self) -> bool:
        """Whether another engine with the same identity uses it too."""
        return not self._lock.is_locked

    def tidy(self) -> None:
        """Lock this folder if another engine held it until now, and delete those of other identities that none uses."""
        with suppress(Timeout):
            if self.is_shared:
                self._lock.acquire()
        for folder in self._others():
            with suppress(Timeout, FileNotFoundError), FileLock(folder / _LOCK_NAME, timeout=0, mode=_LOCK_MODE):
                shutil.rmtree(folder, ignore_errors=True)

    def default_budget(self, index: DiskIndex) -> int:
        """A part of what is free on the disk, in bytes, with what the cache takes already."""
        return default_budget(shutil.disk_usage(self.path).free + index.size)

    def _others(self) -> list[Path]:
        return [each for each in identity_folders(self._root) if each != self.path]


def _read_index(
    folder: Path, is_erased: Callable[[StoredBlock], bool], payload_bytes: int | None, *, in_use: bool
) -> DiskIndex:
    """Read a folder's index, and delete every file that it does not list: damaged, erased, or out of reach.

    Args:
        in_use: whether another engine may be writing files at this moment.
    """
    index = DiskIndex(folder.name)
    paths = [path for path in folder.iterdir() if not (in_use and path.suffix == UNFINISHED_SUFFIX)]
    found, unusable = _read_blocks(paths, is_erased, payload_bytes)
    out_of_reach = [folder / stored.file_name for stored in index.add_all(found)]
    for path in (*unusable, *out_of_reach):
        path.unlink(missing_ok=True)
    return index


def _read_blocks(
    paths: Iterable[Path], is_erased: Callable[[StoredBlock], bool], payload_bytes: int | None
) -> tuple[list[FoundBlock], list[Path]]:
    """Return the blocks in these files, and the files that must go."""
    found, unusable = [], []
    for path in paths:
        if path.name == _LOCK_NAME or not path.is_file():
            continue
        try:
            stored = read_stored_block(path, payload_bytes) if path.suffix == SUFFIX else None
            status = path.stat()
        except (OSError, DamagedBlockError):
            stored = None
        if stored is None or is_erased(stored):
            unusable.append(path)
        else:
            found.append(FoundBlock(stored, status.st_size, status.st_mtime))
    return found, unusable
