"""Folders that are expensive to fill: filled once a run, by the first of pytest-xdist's processes that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(tmp_path_factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Return a folder that all tests of this run share. They must not change it.

    Args:
        tmp_path_factory: pytest's.
        name: unique within the run.
        fill: called with the path of a folder that does not exist yet; creates and fills it.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # each worker process has a folder of its own below this one
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not folder.exists():
            unfinished = root / f"{name}.unfinished"
            fill(unfinished)
            unfinished.rename(folder)
    return folder
