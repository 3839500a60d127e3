"""Nobody else may read a SQLite database, its log included, whatever the umask is and however old the file is."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.storage.stored import keep, open_storage, turn

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")


def modes(folder: Path) -> dict[str, int]:
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.iterdir())}


@pytest.fixture
def linked_url(sqlite_url: str, tmp_path: Path) -> str:
    """A link to an empty file that everybody may read."""
    link = Path(make_url(sqlite_url).database or "")
    link.parent.mkdir()
    target = tmp_path / "elsewhere.sqlite3"
    target.touch(mode=0o644)
    link.symlink_to(target)
    tmp_path.chmod(0o755)
    return sqlite_url


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777], ids=oct)
async def test_a_new_database_is_private_while_it_is_written(sqlite_url: str, umask: int) -> None:
    file = Path(make_url(sqlite_url).database or "")
    before = os.umask(umask)
    try:
        async with open_storage(sqlite_url) as storage:
            await keep(storage, turn(10))
            assert modes(file.parent) == {
                "data": 0o700,
                "bot.sqlite3": 0o600,
                "bot.sqlite3-wal": 0o600,
                "bot.sqlite3-shm": 0o600,
            }
    finally:
        os.umask(before)


async def test_an_older_database_becomes_private_with_the_log_that_a_kill_left(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(make_url(sqlite_url).database or "")
    async with open_storage(sqlite_url):
        pass
    with closing(sqlite3.connect(file)) as other:
        other.execute("INSERT INTO seen_messages (id) VALUES (1)")
        other.commit()
        for each in file.parent.iterdir():
            each.chmod(0o644)
        async with open_storage(sqlite_url) as storage:
            await keep(storage, turn(10))
            found = modes(file.parent)
    assert len(found) == 4
    assert {found[name] for name in found if name != "data"} == {0o600}
    [line] = [each for each in caplog.messages if "other users" in each]
    assert "bot.sqlite3-wal" in line


async def test_a_linked_database_becomes_private_where_it_is(linked_url: str, tmp_path: Path) -> None:
    async with open_storage(linked_url) as storage:
        await keep(storage, turn(10))
        found = modes(tmp_path)
    assert [found[f"elsewhere.sqlite3{end}"] for end in ("", "-wal", "-shm")] == [0o600] * 3
    assert found[tmp_path.name] == 0o755, "its folder is not the bot's"
