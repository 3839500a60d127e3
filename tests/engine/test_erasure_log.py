"""No erasure is lost between the bot and a worker, and where one would be, the disk cache goes."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.engine.erasure_log import ErasureLog, delete_blocks
from bot.engine.interface import Erasure
from tests.small_disk import fill, small_disk_at

FIRST = Erasure(1, message_ids=frozenset({1_300_000_000_000_000_001, 2}))
SECOND = Erasure(2, author_id=3, channel_ids=frozenset({4}))
THIRD = Erasure(3, before_id=5)
ALL = [FIRST, SECOND, THIRD]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A disk cache with one block."""
    folder = tmp_path / "kv_cache"
    cache_block(folder)
    return folder


def cache_block(folder: Path) -> Path:
    block = folder / "identity" / "block"
    block.parent.mkdir(parents=True)
    block.write_bytes(b"Fish fly.")
    return block


def append(folder: Path, *erasures: Erasure) -> Path:
    """Append to the log as the bot; return its file."""
    log = ErasureLog(folder)
    for erasure in erasures:
        log.append(erasure)
    return folder / "erasures.jsonl"


def applied_by_a_worker(folder: Path) -> list[Erasure] | None:
    log = ErasureLog(folder)
    erasures = log.take()
    log.applied()
    return erasures


def test_a_worker_takes_what_the_bot_appended_once(folder: Path) -> None:
    file = append(folder, *ALL)
    assert file.read_bytes().count(b"\n") == len(ALL), "a line for each"
    assert applied_by_a_worker(folder) == ALL
    assert applied_by_a_worker(folder) == []
    assert [path.name for path in folder.iterdir()] == ["identity"]


@pytest.mark.skipif(sys.platform == "win32", reason="a file has the permissions of its folder there")
def test_only_the_bot_may_read_it(folder: Path) -> None:
    assert stat.S_IMODE(append(folder, FIRST).stat().st_mode) == 0o600


def test_without_a_disk_cache_nothing_is_written(tmp_path: Path) -> None:
    append(tmp_path / "missing", FIRST)
    assert applied_by_a_worker(tmp_path / "missing") == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_crashes_before_it_has_applied_them_leaves_them_to_the_next(folder: Path) -> None:
    append(folder, FIRST)
    assert ErasureLog(folder).take() == [FIRST]
    append(folder, SECOND)
    assert ErasureLog(folder).take() == [FIRST, SECOND]
    append(folder, THIRD)
    assert applied_by_a_worker(folder) == ALL
    assert applied_by_a_worker(folder) == []


def test_what_is_appended_while_a_worker_applies_the_rest_stays(folder: Path) -> None:
    log = ErasureLog(folder)
    append(folder, FIRST)
    assert log.take() == [FIRST]
    append(folder, SECOND)
    log.applied()
    assert applied_by_a_worker(folder) == [SECOND]


def test_nothing_is_lost_while_workers_take_and_the_bot_appends_at_the_same_time(folder: Path) -> None:
    log, taken, done = ErasureLog(folder), set[int](), threading.Event()

    def append_many(start: int) -> None:
        for number in range(start, start + 20):
            log.append(Erasure(number, author_id=number))

    def take_all() -> None:
        while not done.is_set():
            taken.update(each.number for each in applied_by_a_worker(folder) or ())

    appending = [threading.Thread(target=append_many, args=(start,)) for start in (1, 21)]
    taking = threading.Thread(target=take_all)
    for thread in (taking, *appending):
        thread.start()
    for thread in appending:
        thread.join()
    done.set()
    taking.join()
    taken.update(each.number for each in applied_by_a_worker(folder) or ())
    assert taken == set(range(1, 41))


@pytest.mark.parametrize(
    "left", [lambda line: line[:1], lambda line: line[:20], lambda line: line, lambda line: bytes(9)]
)
def test_a_line_that_a_power_cut_tore_apart_is_left_out(folder: Path, left: Callable[[bytes], bytes]) -> None:
    file = append(folder, FIRST, SECOND)
    first, second, _ = file.read_bytes().split(b"\n")
    file.write_bytes(first + b"\n" + left(second))
    assert applied_by_a_worker(folder) == [FIRST]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"5", b"6", id="another id"),
        pytest.param(b"before_id", b"behind_id", id="another field"),
        pytest.param(b"[", b"", id="no JSON"),
        pytest.param(b"[", b"[" * 100_000, id="much too deep"),
        pytest.param(b"3", b"\xff", id="no text"),
        pytest.param(b"\n", b"\n{}\n", id="too little"),
        pytest.param(b"\n", b"\n\n", id="an empty line"),
    ],
)
def test_after_damage_everything_must_go(folder: Path, old: bytes, new: bytes) -> None:
    file = append(folder, THIRD)
    damaged = file.read_bytes().replace(old, new)
    assert damaged != file.read_bytes()
    file.write_bytes(damaged)
    append(folder, FIRST)
    assert applied_by_a_worker(folder) is None
    assert applied_by_a_worker(folder) == []


def test_a_line_after_a_torn_one_is_not_mistaken_for_its_end(folder: Path) -> None:
    file = append(folder, FIRST)
    file.write_bytes(file.read_bytes()[:-9])
    append(folder, SECOND)
    assert applied_by_a_worker(folder) is None


def test_a_log_that_cannot_be_read_means_that_everything_must_go(folder: Path) -> None:
    (folder / "erasures.jsonl").mkdir()
    assert ErasureLog(folder).take() is None


def test_a_full_disk_takes_all_blocks_along(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk_at(tmp_path / "kv_cache", 256) as folder:
        block = cache_block(folder)
        fill(folder / "identity" / "other")
        file = append(folder, Erasure(1, message_ids=frozenset(range(1000))))
        assert not block.exists()
        assert not file.exists()
        [line] = caplog.messages
        assert line.startswith("Disk cache emptied")
        assert "make room on its disk" in line
        append(folder, SECOND)
        assert applied_by_a_worker(folder) == [SECOND]


def test_a_disk_that_has_become_read_only_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with small_disk_at(tmp_path / "kv_cache", 256) as folder:
        cache_block(folder)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        append(folder, FIRST)
        [line] = caplog.messages
        assert "stop the bot and delete the folder" in line
        assert str(folder) in line


def test_deleting_all_blocks_leaves_nothing_to_apply_and_the_locks_of_engines_that_run(folder: Path) -> None:
    lock = folder / "identity" / ".lock"
    lock.touch()
    append(folder, FIRST)
    ErasureLog(folder).take()
    append(folder, SECOND)
    delete_blocks(folder)
    assert sorted(folder.rglob("*")) == [folder / "identity", lock]
    delete_blocks(folder / "missing")
