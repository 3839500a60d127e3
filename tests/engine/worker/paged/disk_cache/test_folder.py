"""The folder at a start: what is kept of it, and what is deleted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from bot.engine.erasure_log import ErasureLog, delete_blocks
from bot.engine.interface import Erasure, Source, first_erasure_number
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.disk_cache.block_file import read_stored_block
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from tests.engine.worker.paged.disk_cache.keys_and_values import Engine

TEXT = tuple(range(1000, 1150))
OTHER = tuple(range(2000, 2150))
SOURCES = (Source(10, 1, 7, 3), Source(60, 2, 8, 3), Source(120, 3, 7, 3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a conversation of three members' words, and one of nobody's."""
    engine = Engine(tmp_path / "kv_cache")
    engine.read(*TEXT, sources=SOURCES)
    engine.read(*OTHER)
    engine.close()
    return tmp_path / "kv_cache"


def test_the_log_of_erasures_is_applied_and_removed(root: Path) -> None:
    ErasureLog(root).append(Erasure(1, author_id=8))
    engine = Engine(root)
    assert (engine.cached(*TEXT), engine.cached(*OTHER)) == (BLOCK_TOKENS, 149)
    assert len(engine.files) == 1 + blocks_for(150)
    assert [each for each in root.iterdir() if each.is_file()] == []


@pytest.mark.parametrize(("logged", "cached"), [(5, 149), (6, BLOCK_TOKENS)])
def test_what_was_said_after_an_erasure_stays(root: Path, logged: int, cached: int) -> None:
    engine = Engine(root)
    engine.cache.erase(Erasure(5, author_id=8))
    engine.read(*TEXT, sources=SOURCES, erasures=5)
    engine.close()
    ErasureLog(root).append(Erasure(logged, author_id=8))
    assert Engine(root).cached(*TEXT) == cached


def test_blocks_from_before_the_clock_was_set_back_are_deleted(root: Path) -> None:
    number = first_erasure_number()
    engine = Engine(root)
    engine.cache.erase(Erasure(number + 3_600_000_000, author_id=8))  # an hour
    engine.read(*TEXT, sources=SOURCES, erasures=number + 3_600_000_000)
    engine.close()
    engine = Engine(root)
    assert engine.cached(*TEXT) == BLOCK_TOKENS, "what is from before that erasure stays"


def test_erasures_reach_the_files_of_an_engine_that_another_uses(root: Path) -> None:
    other = shutil.copytree(root / "identity", root / "other")
    with FileLock(other / ".lock"):
        ErasureLog(root).append(Erasure(1, message_ids=frozenset({2})))
        Engine(root)
        # Their first blocks name the other identity as their parent, so there they are out of reach.
        assert not list(other.glob("*.block"))


def test_a_damaged_log_deletes_everything_that_anybody_said(root: Path) -> None:
    ErasureLog(root).append(Erasure(1, author_id=8))
    [log] = [each for each in root.iterdir() if each.is_file()]
    log.write_bytes(b"\0\n" + log.read_bytes())
    engine = Engine(root)
    assert (engine.cached(*TEXT), engine.cached(*OTHER)) == (0, 149)


def test_foreign_files_and_leftovers_are_deleted(root: Path) -> None:
    folder = root / "identity"
    (folder / "0123.4567.unfinished").write_bytes(b"half a block")
    (folder / "notes.txt").write_text("Not a block")
    (folder / "0123.block").write_text("Not a block either")
    before = len(Engine(root).files)
    assert {each.suffix for each in folder.iterdir()} == {".block", ""}
    assert before == 2 * blocks_for(150)


@pytest.mark.parametrize("start", [Engine, delete_blocks], ids=["a start", "emptying"])
def test_what_else_is_in_the_folder_stays(root: Path, tmp_path: Path, start: Callable[[Path], object]) -> None:
    """A disk that is mounted there has a `lost+found`, which only root can read."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "cat.jpg").write_text("a photo")
    (root / "link").symlink_to(photos)
    (root / "lost+found").mkdir()
    start(root)
    assert [each.name for each in photos.iterdir()] == ["cat.jpg"]
    assert sorted(each.name for each in root.iterdir()) == ["identity", "link", "lost+found"]


def test_blocks_without_the_one_before_them_are_deleted(root: Path) -> None:
    [missing] = [file for file in (root / "identity").glob("*.block") if 1040 in read_stored_block(file, None).tokens]
    missing.unlink()
    engine = Engine(root)
    assert len(engine.files) == 1 + blocks_for(150)
    assert engine.cached(*TEXT) == BLOCK_TOKENS


def test_a_folder_of_another_identity_goes_unless_its_engine_lives(root: Path) -> None:
    old = CacheFolder(root, "old")
    new = CacheFolder(root, "new")
    assert sorted(each.name for each in root.iterdir()) == ["new", "old"]
    old.close()
    new.tidy()
    assert [each.name for each in root.iterdir()] == ["new"]


def test_an_engine_learns_what_the_one_before_it_wrote_last(root: Path) -> None:
    first, second = Engine(root), Engine(root)
    first.read(*range(3000, 3150), sources=[Source(10, 4, 9, 3)])
    assert second.cached(*range(3000, 3150)) == 0
    first.close()
    second.flush()
    second.read(*TEXT)
    assert second.cached(*range(3000, 3150)) == 149
    second.cache.erase(Erasure(1, author_id=9))
    second.flush()
    assert len(second.files) == 2 * blocks_for(150)
    CacheFolder(root, "another").close()
    assert second.cached(*TEXT) == 149, "it has the lock now"


def test_an_engine_that_loads_deletes_nothing_that_another_is_writing(root: Path) -> None:
    running = Engine(root)
    unfinished = root / "identity" / "0123.4567.unfinished"
    unfinished.write_bytes(b"half a block")
    Engine(root)
    assert unfinished.exists()
    running.close()
    Engine(root)
    assert not unfinished.exists()


def test_a_folder_that_disappears_is_made_again(root: Path) -> None:
    engine = Engine(root)
    shutil.rmtree(root)
    engine.read(*range(3000, 3150))
    assert engine.warnings == []
    engine.close()
    assert Engine(root).cached(*range(3000, 3150)) == 149


def undeletable(file: Path) -> None:
    """Put something at a block's place that is not deleted as a file."""
    file.unlink()
    file.mkdir()


def test_what_cannot_be_deleted_is_told_once(root: Path) -> None:
    engine = Engine(root)
    for file in engine.files:
        undeletable(file)
    engine.cache.erase(Erasure(1, before_id=10))
    engine.flush()
    [line] = engine.warnings
    assert line.startswith(f"Disk cache keeps blocks that it should not; delete the folder: path={engine.folder.path} ")


def test_a_folder_that_became_a_file_keeps_no_blocks(root: Path) -> None:
    engine = Engine(root)
    shutil.rmtree(engine.folder.path)
    engine.folder.path.touch()
    engine.cache.erase(Erasure(1, before_id=10))
    engine.flush()
    assert engine.warnings == []
