"""A user whom permissions bind, also where the tests run as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_NOBODY = 65534


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody in particular until the block ends. A user other than root stays who they are."""
    if not hasattr(os, "setresuid"):
        pytest.skip("this system cannot lend a process to another user")
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@contextmanager
def folder_for_everybody() -> Iterator[Path]:
    """A folder that every user can reach and write to; pytest's are for its own user."""
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o777)
        yield folder
