"""Verifies a file's content while it arrives."""

from __future__ import annotations

import hashlib

from bot.export.hub.repository import HubFile


class ContentCheck:
    """Hashes a file's content piece by piece.

    Attributes:
        bytes: how many were hashed.
    """

    def __init__(self, file: HubFile) -> None:
        self._file = file
        self.start_over()

    def start_over(self) -> None:
        """Forget every piece."""
        self.bytes = 0
        # git's id of a file: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
        git = hashlib.sha1(b"blob %d\0" % self._file.bytes, usedforsecurity=False)
        self._digest = hashlib.sha256() if self._file.sha256 else git

    def add(self, piece: bytes) -> None:
        """Hash the next piece."""
        self.bytes += len(piece)
        self._digest.update(piece)

    @property
    def matches(self) -> bool:
        """Whether the pieces are the whole file as the hub holds it."""
        return self._digest.hexdigest() == (self._file.sha256 or self._file.git_blob)
