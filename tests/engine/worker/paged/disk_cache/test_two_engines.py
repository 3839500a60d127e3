"""A model that is loaded again takes over from an engine that goes on writing to the same folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.engine.erasure_log import delete_blocks
from bot.engine.interface import Erasure, Source
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.disk_cache.block_file import read_stored_block
from tests.engine.worker.paged.disk_cache.keys_and_values import Engine

TEXT = tuple(range(1000, 1150))
OTHER = tuple(range(2000, 2150))
SOURCES = (Source(10, 1, 7, 3), Source(60, 2, 8, 3), Source(120, 3, 7, 3))


def words_on_disk(engine: Engine) -> set[int]:
    return {token for file in engine.files for token in read_stored_block(file, None).tokens}


def test_what_the_old_engine_wrote_after_the_new_ones_start_is_known_to_it(tmp_path: Path) -> None:
    old, new = Engine(tmp_path), Engine(tmp_path)
    old.read(*TEXT, sources=SOURCES)
    old.close()
    new.read(*OTHER)
    assert new.disk.used_bytes == sum(file.stat().st_size for file in new.files)
    assert new.cached(*TEXT) == 149
    new.cache.erase(Erasure(1, author_id=8))
    new.flush()
    assert not words_on_disk(new) & set(TEXT[60:])


def test_an_erasure_reaches_what_the_old_engine_wrote_after_the_new_ones_start(tmp_path: Path) -> None:
    old, new = Engine(tmp_path), Engine(tmp_path)
    old.read(*TEXT, sources=SOURCES)
    old.close()
    new.cache.erase(Erasure(1, message_ids=frozenset({1})))
    new.flush()
    assert not words_on_disk(new)


def test_what_the_old_engine_left_half_written_goes_with_it(tmp_path: Path) -> None:
    old, new = Engine(tmp_path), Engine(tmp_path)
    (old.folder.path / "0123.4567.unfinished").write_bytes(b"half a block")
    (old.folder.path / "0123.block").write_bytes(b"not a block")
    old.close()
    new.read(*TEXT)
    assert {each.suffix for each in new.folder.path.iterdir()} == {".block", ""}
    assert len(new.files) == blocks_for(len(TEXT))


def test_a_start_leaves_alone_what_another_engine_is_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Engine(tmp_path)
    engines = [old]
    replace = Path.replace

    def rename(path: Path, target: Path) -> Path:
        if len(engines) == 1:
            engines.append(Engine(tmp_path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", rename)
    old.read(*TEXT)
    assert len(engines) == 2
    assert old.warnings == []
    assert len(old.files) == blocks_for(len(TEXT))


def test_nobody_is_told_to_make_a_folder_writable_that_was_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, replace = Engine(tmp_path), Path.replace

    def rename(path: Path, target: Path) -> Path:
        delete_blocks(tmp_path)  # as the bot does where it cannot record an erasure
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename)
        engine.read(*TEXT)
    assert (engine.warnings, engine.disk.used_bytes) == ([], 0)
    engine.read(*TEXT)
    assert len(engine.files) == blocks_for(len(TEXT))
