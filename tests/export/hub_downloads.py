"""A repository for download tests, and helpers that download it from the hub on 127.0.0.1."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.export.hub import HubRepository, bytes_to_fetch, fetch_files
from tests.export.hub_server import HubServer
from tests.export.hub_storage import Request

NAME = "microsoft/Phi-3-mini-4k-instruct"
WEIGHTS = random.Random(0).randbytes(1_000_000)
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
FILES = {"config.json": b"{}" * 5000, FIRST: WEIGHTS[:600_000], SECOND: WEIGHTS[600_000:], "empty.json": b""}
TOTAL = sum(map(len, FILES.values()))
PART = f"{FIRST}.{hashlib.sha256(FILES[FIRST]).hexdigest()[:12]}.part"
LONG_SECONDS = 30
ROOT = Path(__file__).parents[2]


def fetch(repository: HubRepository, folder: Path) -> list[int]:
    """Download everything, check every file, and return the progress."""
    progress: list[int] = []

    def record(done: int, total: int) -> None:
        assert (total, done <= total) == (repository.bytes, True)
        progress.append(done)

    fetch_files(repository, folder, record)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert bytes_to_fetch(repository, folder) == 0
    assert progress[-1] == TOTAL
    return progress


def error_line(repository: HubRepository, folder: Path) -> str:
    """The one line of the error that a download raises."""
    with pytest.raises(ConfigurationError) as raised:
        fetch_files(repository, folder, lambda done, total: None)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def asked(hub: HubServer, name: str) -> list[Request]:
    """The requests for one file's content."""
    return [request for request in hub.requests if request.file == name]


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll until a condition holds, for what reports no event."""
    end = time.monotonic() + LONG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
