"""What the bot stores can be read by nobody else, and what is not its own keeps its permissions."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bot.private_files import (
    close_files,
    close_folder,
    delete_folder,
    make_private_folder,
    replace_private_file,
    warn_of_readers,
    write_private_text,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")

DATABASE = "conversations.sqlite3"
OURS = (DATABASE, "synced_commands.sha256")
CACHE = "kv_cache"
STRANGER = 12_345


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def old_installation(tmp_path: Path) -> Path:
    """A data folder from when everybody could read it."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}.backup", OURS[1], ".hidden"):
        (folder / name).touch(mode=0o644)
    return folder


def test_what_is_new_is_private(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_private_text(path, "ours")
    assert [mode(each) for each in (path, path.parent, path.parent.parent)] == [0o600, 0o700, 0o700]
    assert path.read_text() == "ours"


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, umask: None) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    with path.open("rb") as before:
        replace_private_file(link, b"new")
        assert before.read() == b"", "the old file is left alone"
    assert link.is_symlink()
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        replace_private_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_an_older_file_is_private_before_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o644)
    write_private_text(path, "ours")
    assert mode(path) == 0o600


def test_a_folder_that_exists_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path)
    assert mode(tmp_path) == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_private_folder(tmp_path / "file")


def test_an_old_installation_is_closed_with_one_line(old_installation: Path, caplog: pytest.LogCaptureFixture) -> None:
    close_folder(old_installation, OURS)
    assert mode(old_installation) == 0o700
    assert {each.name: mode(each) for each in old_installation.iterdir()} == {
        ".hidden": 0o644,  # not ours
        **{each.name: 0o600 for each in old_installation.iterdir() if each.name != ".hidden"},
    }
    [line] = caplog.messages
    assert str(old_installation) in line
    close_folder(old_installation, OURS)
    assert caplog.messages == [line], "the second start has nothing to say"


@pytest.mark.parametrize(
    "name", [".gitkeep", "lost+found", "bot.log", "bot.log.1", "2026-11-28.sqlite3", "copy.tar.gz"]
)
def test_copies_and_logs_make_no_folder_a_shared_one(old_installation: Path, name: str) -> None:
    (old_installation / name).touch(mode=0o644)
    close_folder(old_installation, OURS)
    assert mode(old_installation) == 0o700
    assert mode(old_installation / name) == 0o644, "it is the operator's, and nobody else gets to it"


def tree(folder: Path) -> dict[str, int]:
    return {each.relative_to(folder.parent).as_posix(): mode(each) for each in (folder, *folder.rglob("*"))}


@pytest.fixture
def old_cache(old_installation: Path) -> Path:
    """A folder of ours in it, with files in a folder of its own and a link to something else."""
    cache = old_installation / CACHE
    (cache / "model").mkdir(parents=True)
    (cache / "model" / "block").touch()
    (cache / "log").touch()
    elsewhere = old_installation.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (cache / "link").symlink_to(elsewhere)
    for each in (cache, *cache.rglob("*"), elsewhere, elsewhere / "file"):
        each.chmod(0o755 if each.is_dir() else 0o644)
    return cache


def test_a_folder_of_ours_is_closed_with_all_that_is_in_it(
    old_installation: Path, old_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    close_folder(old_installation, OURS, {CACHE})
    assert mode(old_installation) == 0o700
    (old_cache / "link").unlink()
    closed = {CACHE: 0o700, f"{CACHE}/model": 0o700, f"{CACHE}/model/block": 0o600, f"{CACHE}/log": 0o600}
    assert tree(old_cache) == closed
    assert tree(old_installation.parent / "elsewhere") == {"elsewhere": 0o755, "elsewhere/file": 0o644}
    [line] = caplog.messages
    assert str(old_cache) in line
    assert "block" not in line, "there may be thousands"
    close_folder(old_installation, OURS, {CACHE})
    assert caplog.messages == [line], "the second start has nothing to say"


def test_a_folder_of_ours_is_closed_in_a_shared_one(
    old_installation: Path, old_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (old_installation / "website").mkdir()
    close_folder(old_installation, OURS, {CACHE})
    assert (mode(old_installation), mode(old_cache), mode(old_cache / "model" / "block")) == (0o755, 0o700, 0o600)
    assert "DATA_DIR" in caplog.text


def test_what_a_link_named_as_a_folder_of_ours_leads_to_stays_open(tmp_path: Path) -> None:
    data, target = tmp_path / "data", tmp_path / "larger disk"
    data.mkdir(mode=0o755)
    target.mkdir(mode=0o755)
    (data / CACHE).symlink_to(target)
    close_folder(data, OURS, {CACHE})
    assert (mode(data), mode(target)) == (0o700, 0o755)


def test_a_folder_that_is_not_used_any_more_is_deleted(old_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        delete_folder(old_cache)
        assert not old_cache.exists()
        assert (old_cache.parent.parent / "elsewhere" / "file").exists(), "a link leads there"
        [line] = caplog.messages
        assert str(old_cache) in line
        delete_folder(old_cache)
    assert caplog.messages == [line], "the second start has nothing to say"


def test_a_folder_that_cannot_be_deleted_is_named(old_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    link = old_cache.parent / "link"
    link.symlink_to(old_cache)
    delete_folder(link)
    assert (old_cache / "log").exists()
    [line] = caplog.messages
    assert f"delete it path={link} reason=" in line


def test_an_empty_folder_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    close_folder(tmp_path, OURS)
    assert mode(tmp_path) == 0o700


def test_a_link_leads_to_the_folder(old_installation: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(old_installation)
    close_folder(link, OURS)
    assert mode(old_installation) == 0o700
    assert mode(old_installation / DATABASE) == 0o600


def test_what_a_link_in_the_folder_leads_to_stays_open(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch(mode=0o644)
    data = tmp_path / "data"
    data.mkdir()
    (data / f"{DATABASE}.link").symlink_to(target)
    (data / f"{DATABASE}.folder").mkdir(mode=0o755)
    close_files(data, OURS)
    assert mode(target) == 0o644
    assert mode(data / f"{DATABASE}.folder") == 0o755


@pytest.mark.parametrize("name", ["website.html", "website", "conversations.sqlite3x"])
def test_a_folder_with_other_things_stays_open(
    old_installation: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    (old_installation / name).touch(mode=0o644)
    close_folder(old_installation, OURS)
    assert mode(old_installation) == 0o755
    assert mode(old_installation / name) == 0o644
    assert mode(old_installation / DATABASE) == 0o600
    refusal, closed = caplog.messages
    assert "DATA_DIR" in refusal
    assert str(old_installation / DATABASE) in closed


@pytest.mark.parametrize("place", ["home", "above home", "working directory", "above it", "like /tmp"])
def test_a_folder_where_people_work_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, place: str
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "below").mkdir()
    match place:
        case "home" | "above home":
            monkeypatch.setenv("HOME", str(tmp_path / "below" if place == "above home" else tmp_path))
        case "working directory" | "above it":
            monkeypatch.chdir(tmp_path / "below" if place == "above it" else tmp_path)
        case _:
            (tmp_path / "below").rmdir()
            tmp_path.chmod(0o1777)
    if place in ("home", "working directory"):
        (tmp_path / "below").rmdir()
    before = mode(tmp_path)
    close_folder(tmp_path, OURS)
    assert mode(tmp_path) == before
    assert len(caplog.messages) == 1
    assert "DATA_DIR" in caplog.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_reported_and_left(
    old_installation: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for each in (old_installation, *old_installation.iterdir()):
        if each.name in (old_installation.name, DATABASE):
            os.chown(each, STRANGER, STRANGER)
    close_folder(old_installation, OURS)
    assert mode(old_installation) == 0o755
    assert mode(old_installation / DATABASE) == 0o644
    assert mode(old_installation / f"{DATABASE}-wal") == 0o600
    database, folder, closed = caplog.messages
    assert "another user" in database
    assert str(old_installation / DATABASE) in database
    assert folder.endswith(f"path={old_installation} reason=it belongs to another user")
    assert f"{DATABASE}-wal" in closed


def test_a_missing_folder_is_nothing_to_report(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    close_folder(tmp_path / "missing", OURS)
    close_files(tmp_path / "missing", OURS)
    assert caplog.messages == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("folder_mode", [0o644, 0o311, 0o000], ids=oct)
def test_a_folder_that_the_bot_may_not_use_is_no_traceback(caplog: pytest.LogCaptureFixture, folder_mode: int) -> None:
    with TemporaryDirectory() as reachable:  # unlike pytest's, once it is open
        Path(reachable).chmod(0o755)
        data = Path(reachable, "data")
        data.mkdir()
        (data / DATABASE).touch()
        data.chmod(folder_mode)
        os.seteuid(STRANGER)
        try:
            close_folder(data, OURS)
            close_folder(data / "below", OURS)
        finally:
            os.seteuid(0)
    assert caplog.messages
    assert all("path=" in line and "reason=" in line for line in caplog.messages)


@pytest.mark.parametrize(("permissions", "warnings"), [(0o644, 1), (0o604, 1), (0o640, 0), (0o600, 0), (None, 0)])
def test_a_file_of_secrets_that_everybody_can_read_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, permissions: int | None, warnings: int
) -> None:
    path = tmp_path / ".env"
    if permissions is not None:
        path.touch()
        path.chmod(permissions)
    warn_of_readers(path)
    assert [record.getMessage().endswith(f"chmod 600 {path}") for record in caplog.records] == [True] * warnings
    assert permissions is None or mode(path) == permissions
