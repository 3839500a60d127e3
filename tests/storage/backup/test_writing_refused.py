"""Where a backup cannot be written: one line, and no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import pytest_asyncio

from bot.errors import ConfigurationError
from bot.storage.address import Address
from bot.storage.backup.archive import Archive
from bot.storage.backup.writing import back_up
from bot.storage.tables import Turn
from tests.small_disk import fill
from tests.storage.backup.rows import ORIGIN, TURN, insert_rows, names_in


@pytest_asyncio.fixture
async def address(sqlite_url: str) -> Address:
    """A database with 2 MB that do not compress."""
    turns = [{**TURN, "id": n + 1, "answer": os.urandom(1000).hex()} for n in range(1000)]
    await insert_rows(sqlite_url, {Turn: turns})
    return Address.parse(sqlite_url)


async def refusal(address: Address, path: Path, *, replace: bool = False) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await back_up(address, path, ORIGIN, replace=replace)
    return str(refused.value)


@pytest.mark.parametrize("room", [0, 500_000])
async def test_a_full_disk(address: Address, small_disk: Path, room: int) -> None:
    fill(small_disk / "filler")
    filler = small_disk / "filler"
    os.truncate(filler, filler.stat().st_size - room)
    line = await refusal(address, small_disk / "backup.zip")
    assert "backup.zip cannot be written (No space left on device); make room" in line
    assert names_in(small_disk) == ["filler"]


async def test_a_file_that_exists_is_kept_unless_it_may_be_replaced(address: Address, tmp_path: Path) -> None:
    path = tmp_path / "backup.zip"
    path.write_text("Mine")
    path.chmod(0o644)
    assert "exists; name another file, or replace it with --force" in await refusal(address, path)
    assert path.read_text() == "Mine"
    await back_up(address, path, ORIGIN, replace=True)
    with Archive.open(path) as archive:
        archive.verify()
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_folder_in_its_place(address: Address, tmp_path: Path) -> None:
    assert "is a folder; name a file in it" in await refusal(address, tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no files for pipes")
async def test_what_is_no_file_is_not_replaced(address: Address, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "is no plain file, but a device, a pipe" in await refusal(address, path, replace=True)
    assert path.is_fifo()


async def test_the_database_is_not_replaced_by_its_backup(address: Address, tmp_path: Path) -> None:
    link, before = tmp_path / "link", address.file.read_bytes()
    link.symlink_to(address.file)
    for path in (address.file, link):
        assert "is the database itself; name another file" in await refusal(address, path, replace=True)
    assert address.file.read_bytes() == before


async def test_a_file_where_the_folder_should_be(address: Address, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("")
    assert "cannot be written (" in await refusal(address, tmp_path / "notes" / "backup.zip")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_may_not_be_written(address: Address, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert "cannot be written (Permission denied)" in await refusal(address, folder / "backup.zip")
