"""A damaged or foreign file is refused in one line, or holds what was written after all."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.errors import ConfigurationError
from bot.storage.backup.archive import MANIFEST, Archive
from bot.storage.backup.manifest import Manifest
from bot.storage.backup.restoring import restore
from bot.storage.backup.writing import back_up
from tests.storage.backup.rows import ORIGIN, awkward_rows, insert_rows, place_of

Content = dict[str, list[Any]]
TURNS = "tables/turns.jsonl"


@pytest_asyncio.fixture
async def backup(sqlite_url: str, tmp_path: Path) -> Path:
    """A good backup."""
    await insert_rows(sqlite_url, awkward_rows())
    path = tmp_path / "backup.zip"
    await back_up(place_of(sqlite_url, tmp_path).database, path, ORIGIN)
    return path


def read(path: Path) -> tuple[Manifest, Content]:
    with Archive.open(path) as archive:
        return archive.manifest, {table: list(archive.rows(table)) for table in archive.manifest.tables}


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        read(path)
    assert str(path) in str(refused.value)
    return str(refused.value)


def rewritten(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A copy whose files were changed."""
    with zipfile.ZipFile(path) as source:
        files = {name: source.read(name) for name in source.namelist()}
    change(files)
    copy = path.with_name("changed.zip")
    with zipfile.ZipFile(copy, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return copy


def with_manifest(path: Path, **changes: object) -> Path:
    def change(files: dict[str, bytes]) -> None:
        files[MANIFEST] = json.dumps(json.loads(files[MANIFEST]) | changes).encode()

    return rewritten(path, change)


def test_an_end_that_is_missing(backup: Path) -> None:
    content = backup.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        backup.write_bytes(content[:length])
        assert "is no backup, or it is damaged" in refusal(backup)


def test_a_changed_byte(backup: Path) -> None:
    before, content = read(backup), backup.read_bytes()
    chosen, refused = random.Random(7), 0
    for _ in range(150):
        damaged, place = bytearray(content), chosen.randrange(len(content))
        damaged[place] ^= 1 << chosen.randrange(8)
        backup.write_bytes(damaged)
        try:
            found = read(backup)
        except ConfigurationError:
            refused += 1
        else:
            assert found == before  # what was changed is a date in the directory of the zip file, say
    assert refused > 100


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda files: files.pop(MANIFEST), "no item named 'manifest.json'"),
        (lambda files: files.pop(TURNS), "other files than a backup"),
        (lambda files: files.update({"../../evil": b""}), "other files than a backup"),
        (lambda files: files.update({"/etc/evil": b""}), "other files than a backup"),
        (lambda files: files.update({MANIFEST: b"{}"}), "is not as a backup writes it"),
        (lambda files: files.update({MANIFEST: b"\xff"}), "is not as a backup writes it"),
        (lambda files: files.update({TURNS: files[TURNS] * 2}), "turns is not what was written"),
        (lambda files: files.update({TURNS: b""}), "turns is not what was written"),
        (
            lambda files: files.update({TURNS: files[TURNS].replace(b'"stop"', b'"stpo"')}),
            "turns is not what was written",
        ),
        (lambda files: files.update({TURNS: b"[1]\n"}), "other columns than its table"),
    ],
)
def test_changed_files(backup: Path, change: Callable[[dict[str, bytes]], object], cause: str) -> None:
    copy = rewritten(backup, change)
    assert cause in refusal(copy)


def test_another_table(backup: Path) -> None:
    tables = json.loads(zipfile.ZipFile(backup).read(MANIFEST))["tables"]
    for wrong in (tables | {"users": tables["turns"]}, {"turns": tables["turns"]}):
        assert "its tables are not those of version" in refusal(with_manifest(backup, tables=wrong))
    other_column = tables | {"turns": tables["turns"] | {"columns": {"id": "text"}}}
    assert "its tables are not those of version" in refusal(with_manifest(backup, tables=other_column))


@pytest.mark.parametrize("change", [{"revision": "9999"}, {"format": 2}])
def test_a_newer_version(backup: Path, change: dict[str, object]) -> None:
    assert "was made by a newer version of the bot" in refusal(with_manifest(backup, **change))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"SQLite format 3\0", b"Buy milk.\n" * 100])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.zip").write_bytes(content)
    assert "is no backup, or it is damaged" in refusal(tmp_path / "other.zip")


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    assert "(No such file or directory)" in refusal(tmp_path / "none.zip")
    assert "(Is a directory)" in refusal(tmp_path)


def with_personas(path: Path, lines: bytes) -> Path:
    """A copy with other personas, as its manifest says."""

    def change(files: dict[str, bytes]) -> None:
        manifest = json.loads(files[MANIFEST])
        manifest["tables"]["personas"] |= {"rows": lines.count(b"\n"), "sha256": hashlib.sha256(lines).hexdigest()}
        files |= {"tables/personas.jsonl": lines, MANIFEST: json.dumps(manifest).encode()}

    return rewritten(path, change)


@pytest.mark.parametrize("lines", [b'[1,"Be kind."]\n' * 2, b"[1,null]\n"])
async def test_rows_that_no_database_takes(backup: Path, lines: bytes, sqlite_url: str, tmp_path: Path) -> None:
    place, copy = place_of(sqlite_url, tmp_path / "bot"), with_personas(backup, lines)
    before = place.database.file.read_bytes()
    with pytest.raises(ConfigurationError, match=r"damaged \(the database does not take its rows\)"):
        await restore(place, copy)
    assert place.database.file.read_bytes() == before


def test_a_small_file_that_unpacks_to_more_than_the_memory(backup: Path) -> None:
    def change(files: dict[str, bytes]) -> None:
        files[TURNS] = b"0" * 150_000_000

    copy = rewritten(backup, change)
    tracemalloc.start()
    try:
        assert "a row is too large" in refusal(copy)
        assert tracemalloc.get_traced_memory()[1] < 140_000_000
    finally:
        tracemalloc.stop()


async def test_nothing_is_touched_by_a_damaged_one(backup: Path, sqlite_url: str, tmp_path: Path) -> None:
    place = place_of(sqlite_url, tmp_path / "bot")
    before = place.database.file.read_bytes()
    shutil.copy(rewritten(backup, lambda files: files.update({TURNS: b""})), backup)
    with pytest.raises(ConfigurationError, match="turns is not what was written"):
        await restore(place, backup)
    assert place.database.file.read_bytes() == before
    assert not place.backups.exists()
