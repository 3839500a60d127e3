"""Room on the disks, and the right to write there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.doctor.checks.disk import check_disk, check_disk_quickly
from bot.doctor.checks.model import usable_model
from bot.settings import load_settings
from tests.doctor.found import found
from tests.model.exported_folder import write_model
from tests.unprivileged import folder_for_everybody, unprivileged


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def check(**values: str) -> list[tuple[str, str, str]]:
    settings = load_settings(env_file=None, **{"kv_disk_gigabytes": "1", **values})
    return found(check_disk(settings, usable_model(settings)[0]), "disk")


def test_room_for_everything(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "phi")
    database, cache, version = check(model_dir=str(folder))
    assert {each[0] for each in (database, cache, version)} == {"ok"}
    assert database[1].endswith(f" free for the database in {tmp_path / 'data'}")
    assert cache[1].startswith(f"up to 1.00 GB for the disk cache in {tmp_path / 'data' / 'kv_cache'}")
    assert f" free for the next version of the model in {folder}; one like this takes 0.0 MB" in version[1]
    assert not Path("data").exists()


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000_000_000, 9_999_999_950, 50))
    database, cache, version = check(model_dir=str(write_model(tmp_path / "phi")))
    assert {each[0] for each in (database, cache, version)} == {"warning"}
    assert database == (
        "warning",
        f"0.0 MB free for the database in {tmp_path / 'data'}, 0.20 GB would be safe",
        "make room on this disk",
    )
    assert "set a smaller KV_DISK_GIGABYTES" in cache[2]
    assert "--prune" in version[2]


@pytest.mark.parametrize(
    ("free", "mode", "has_torch", "result"),
    [
        (14_000_000, "int4_sym", True, "warning"),
        (16_000_000, "int4_sym", True, "ok"),
        (14_000_000, "int4_sym", False, "ok"),
        (14_000_000, None, True, "ok"),
        (4_000_000, None, False, "warning"),
    ],
)
def test_an_export_from_a_checkpoint_needs_room_for_a_copy_with_16_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, mode: str | None, has_torch: bool, result: str
) -> None:
    folder = write_model(tmp_path / "phi", mode=mode)
    (folder / "openvino_model.bin").write_bytes(bytes(5_000_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000_000_000, 10_000_000_000 - free, free))
    monkeypatch.setattr("bot.doctor.checks.disk.find_spec", lambda _: object() if has_torch else None)
    *_, version = check(model_dir=str(folder))
    assert version[0] == result
    assert version[1].endswith(", and its export from a checkpoint at least 15.0 MB meanwhile") == (
        mode is not None and has_torch
    )


def test_the_quick_part_looks_at_the_database_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000_000_000, 9_999_999_950, 50))
    assert [each.result.value for each in check_disk_quickly(load_settings(env_file=None))] == ["warning"]


def test_a_cache_that_is_off_needs_no_room() -> None:
    assert len(check(kv_disk_gigabytes="0")) == 1


@pytest.mark.parametrize("mode", [0o555, 0o444, 0o000], ids=oct)
def test_a_folder_that_cannot_be_written(mode: int) -> None:
    with folder_for_everybody() as folder:
        locked = folder / "locked"
        locked.mkdir()
        (locked / "data").mkdir()
        locked.chmod(mode)
        with unprivileged():
            database, cache = check(data_dir=str(locked / "data" / "below"))
        locked.chmod(0o700)
    for each in (database, cache):
        assert each[1].startswith(f"the bot cannot write to {locked}")
    assert database[0] == "error"
    assert database[2] == "let this user write there, or set DATA_DIR to another folder"
    assert cache[0] == "warning"
    assert cache[2].endswith("set KV_DISK_GIGABYTES=0")


@pytest.mark.parametrize("target", ["data", "nowhere"])
def test_a_link_that_leads_nowhere(target: str) -> None:
    Path("data").symlink_to(target)
    assert [each[0] for each in check()] == ["error", "warning"]


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [(result, line, way_out), *_] = check(database_url=f"sqlite:///{tmp_path / 'file' / 'bot.sqlite3'}")
    assert result == "error"
    assert line.startswith(f"the bot cannot write to {tmp_path / 'file'}")
    assert way_out.endswith("or set DATABASE_URL to another file")
