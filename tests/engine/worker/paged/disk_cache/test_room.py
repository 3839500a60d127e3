"""What is on its way to the disk never takes the room that a request was promised."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.disk_cache import cache as disk_cache
from bot.engine.worker.paged.disk_cache.block_file import StoredBlock, read_payload
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.worker.paged.disk_cache.keys_and_values import Engine

TEXT = tuple(range(1000, 1200))
OTHER = tuple(range(2000, 2200))
FILLER = tuple(range(3000, 3200))


class HeldWrite:
    """Makes the write of a block that is not full wait for `go_on`: it is the last of its request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began = threading.Event()
        self._free = threading.Event()
        self._write = CacheFolder.write
        monkeypatch.setattr(CacheFolder, "write", lambda *arguments: self._hold(*arguments))

    def _hold(self, folder: CacheFolder, block: StoredBlock, payload: Sequence[memoryview]) -> int:
        if len(block.tokens) < 32:
            self.began.set()
            assert self._free.wait(30)
        return self._write(folder, block, payload)

    def go_on(self) -> None:
        self._free.set()


def test_the_last_block_on_its_way_to_a_slow_disk_does_not_keep_those_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(tmp_path, blocks=blocks_for(len(TEXT)) + 2)
    write = HeldWrite(monkeypatch)
    ended = engine.begin(*TEXT)
    engine.compute(ended, ended.unread)
    engine.cache.release(ended)
    assert write.began.wait(30)
    asked = engine.begin(*OTHER)
    engine.compute(asked, asked.unread)
    write.go_on()
    engine.cache.release(asked)
    engine.flush()
    assert engine.cached(*OTHER) == len(OTHER) - 1
    assert engine.cached(*TEXT) == len(TEXT) // 32 * 32, "only the block that was on its way is lost"


def test_what_is_being_loaded_is_not_the_next_to_leave_a_full_disk_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Engine(tmp_path / "trial").read(*TEXT)
    budget = 16 * max(file.stat().st_size for file in (tmp_path / "trial").glob("*/*.block"))
    first = Engine(tmp_path / "cache", budget=budget)
    for text in (TEXT, OTHER):
        first.read(*text)
    first.close()
    engine = Engine(tmp_path / "cache", budget=budget)
    began, go_on = threading.Event(), threading.Event()

    def read(folder: Path, block: StoredBlock, payload: Sequence[memoryview]) -> int:
        began.set()
        assert go_on.wait(30)
        return read_payload(folder, block, payload)

    monkeypatch.setattr(disk_cache, "read_payload", read)
    monkeypatch.setattr(disk_cache, "_PATIENCE_SECONDS", 60.0)
    asked = RunningRequest.of(0, GenerationRequest(TEXT, frozenset(), 0))
    engine.cache.find(asked)
    assert began.wait(30)
    other = RunningRequest.of(1, GenerationRequest(FILLER, frozenset(), 0))
    engine.cache.find(other)
    engine.compute(other, other.unread)
    engine.cache.release(other)
    go_on.set()
    engine.flush()
    assert engine.cache.take_loaded(asked)
    assert asked.read == len(TEXT) - 1
