"""Writes a file that is complete once it has its name, and that nobody else may read."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot.errors import ConfigurationError
from bot.private_files import make_private_folder, sync_folder

PART_SUFFIX = ".part"
"""Of a file that is being written; one that a killed program left may be deleted."""

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""Other errors while the file is written are the database's."""


@contextmanager
def new_private_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a new file; give it its name at the end of the block, or remove it if the block raises.

    Args:
        path: its folder is created if it is missing.
        replace: whether a file of that name may be there.

    Raises:
        ConfigurationError: it cannot be written, or there is one already.
    """
    _require_free(path, replace=replace)
    with _refusals_of(path):
        make_private_folder(path.parent)
        descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=PART_SUFFIX, dir=path.parent)
    part = Path(name)
    try:
        with _refusals_of(path, _DISK_ERRORS), os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _require_free(path, replace=replace)
        with _refusals_of(path):
            part.replace(path)
            sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _refusals_of(path: Path, numbers: Container[int | None] | None = None) -> Iterator[None]:
    """Turn refusals of the system into one line; with `numbers`, only those."""
    try:
        yield
    except OSError as error:
        if numbers is not None and error.errno not in numbers:
            raise
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror or error}); make room, let the bot write there, or name a file "
            "elsewhere"
        ) from error


def _require_free(path: Path, *, replace: bool) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no plain file, but a device, a pipe or a socket; name another file")
    if not replace and os.path.lexists(path):
        raise ConfigurationError(f"{path} exists; name another file, or replace it with --force")
