"""Which programs use the data folder, with real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from bot.doctor.checks.data_folder import check_data_folder, programs_using
from bot.settings import Settings, load_settings
from bot.storage.bot_lock import LOCK_NAME
from tests.doctor.found import found

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows does not say who has a file open")
HOLD = "import sys\nfile = open(sys.argv[1])\nprint('open', flush=True)\nsys.stdin.read()\n"
PARENT = (
    "import subprocess, sys\nfile = open(sys.argv[1])\n"
    "subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]])\n"
)


@contextmanager
def open_elsewhere(file: Path, *arguments: str, code: str = HOLD) -> Iterator[int]:
    """Keep a file open in another process, which is no child of this one's tree as far as the check goes."""
    command = [sys.executable, "-c", code, str(file), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    # The processes are this one's children, which the check leaves out as its own.
    monkeypatch.setattr("psutil.Process.children", lambda *_, **__: [])
    Path("data").mkdir()
    Path("data/conversations.sqlite3").touch()
    return load_settings(env_file=None)


def lines(settings: Settings) -> list[tuple[str, str, str]]:
    return found(check_data_folder(settings, programs_using(settings)), "data folder")


def test_nobody(settings: Settings) -> None:
    assert lines(settings) == [("ok", "no program uses data now", "")]


def test_the_running_bot_with_its_engine(settings: Settings) -> None:
    with open_elsewhere(Path("data/conversations.sqlite3"), HOLD, "-m bot run", code=PARENT) as process_id:
        [(result, line, _)] = lines(settings)
        assert result == "ok"
        assert line.startswith("the bot runs and uses data (")
        assert line.endswith(f", process {process_id})")


def test_another_program_and_two_bots(settings: Settings) -> None:
    database, other = Path("data/conversations.sqlite3"), Path("data/kv_cache")
    other.touch()
    with open_elsewhere(database):
        [(result, line, _)] = lines(settings)
        assert (result, line.startswith("another program uses data (")) == ("warning", True)
        with open_elsewhere(other, "-m bot"):
            [(result, line, way_out)] = lines(settings)
            assert (result, line.startswith("2 programs use data at once: ")) == ("warning", True)
            assert way_out == "end all but one; each bot needs a DATA_DIR of its own"


def test_a_bot_into_whose_process_this_user_may_not_look(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd's unit runs it, in a user namespace of its own, or a container."""

    def denied(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr("psutil.Process.open_files", denied)
    with FileLock(Path("data", LOCK_NAME)):
        line = "the bot runs and uses data (in a process that this user may not look into)"
        assert lines(settings) == [("ok", line, "")]
        assert programs_using(settings)[0].is_bot
    assert lines(settings) == [("ok", "no program uses data now", "")]


def test_the_lock_makes_a_program_the_bot_however_it_was_started(settings: Settings) -> None:
    lock = Path("data", LOCK_NAME)
    lock.touch()
    with open_elsewhere(lock) as process_id:
        [(result, line, _)] = lines(settings)
        assert (result, line.endswith(f", process {process_id})")) == ("ok", True)
        assert line.startswith("the bot runs and uses data (")


def test_a_database_elsewhere_counts_too(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.sqlite3"
    file.touch()
    elsewhere = load_settings(env_file=None, database_url=f"sqlite:///{file}")
    with open_elsewhere(file, "-m bot"):
        assert len(programs_using(elsewhere)) == 1
        assert programs_using(settings) == []


def test_a_folder_that_is_a_link_to_itself() -> None:
    Path("data").symlink_to("data")
    [(result, line, _)] = lines(load_settings(env_file=None))
    assert (result, line) == ("ok", "no program uses data now")
