"""What the benchmark of the disk cache says where it has no figures, and how it treats the disk."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from benchmarking.disk import EMPTIED, empty_page_cache, folder_bytes, require_free, settled_bytes
from benchmarking.plan import QUICK
from benchmarking.returning_table import returning_table

from bot.export.timed_generation import MeasureError


def test_too_little_disk_is_one_line_that_says_how_much_is_missing(tmp_path: Path) -> None:
    require_free(tmp_path, 1)
    with pytest.raises(MeasureError, match=r"^50\.0 GB are missing on the disk of .*--output$"):
        require_free(tmp_path, shutil.disk_usage(tmp_path).free + 50e9)


async def test_a_folder_is_measured_when_nobody_writes_to_it_any_more(tmp_path: Path) -> None:
    assert folder_bytes(tmp_path / "missing") == 0
    below = tmp_path / "below"
    below.mkdir()
    below.joinpath("first").write_bytes(b"1")
    measuring = asyncio.create_task(settled_bytes(tmp_path))
    await asyncio.sleep(0.2)
    assert not measuring.done()
    tmp_path.joinpath("second").write_bytes(b"23")
    assert await measuring == 3
    assert empty_page_cache(tmp_path, whole=False) != EMPTIED
    assert folder_bytes(tmp_path) == 3


def test_the_table_says_what_failed_and_that_the_engine_had_no_disk_cache() -> None:
    failed = {name: {"failed": f"no {name}"} for name in ("after_kill", "many", "streams")}
    table = returning_table({"disk_cache": False, **failed}, asdict(QUICK))
    assert "has no disk cache" in table
    assert all(f": no {name}" in table for name in failed)
    assert "no disk cache" not in returning_table({"disk_cache": True, **failed}, asdict(QUICK))
    interrupted = returning_table({"disk_cache": True, "after_kill": failed["after_kill"]}, asdict(QUICK))
    assert interrupted.count(": not measured") == 2
    assert returning_table({"failed": "no room"}, asdict(QUICK)) == "Returning to a history: no room\n"
