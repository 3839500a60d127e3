"""Whether a file's content is what the hub holds."""

from __future__ import annotations

import hashlib

from bot.export.hub.repository import HubFile


class ContentCheck:
    """Reads a file's content as it comes.

    Args:
        file: what it should be.

    Attributes:
        bytes: how many were read.
    """

    def __init__(self, file: HubFile) -> None:
        self._file = file
        self.start_over()

    def start_over(self) -> None:
        """Forget what was read."""
        self.bytes = 0
        # git's id of a file: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        git = hashlib.sha1(b"blob %d\0" % self._file.bytes, usedforsecurity=False)
        self._digest = hashlib.sha256() if self._file.sha256 else git

    def add(self, piece: bytes) -> None:
        """Read on."""
        self.bytes += len(piece)
        self._digest.update(piece)

    @property
    def is_right(self) -> bool:
        """Whether what was read is the whole file."""
        return self._digest.hexdigest() == (self._file.sha256 or self._file.git_blob)
