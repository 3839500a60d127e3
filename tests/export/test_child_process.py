"""Parts of an export in their own processes: their output, their errors, and their end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bot.export.child_process import ChildError, run_child, without_colours
from tests.export.export_process import ROOT, wait_until

CHILD = """
import os, signal, subprocess, sys, time
from bot.export.child_process import die_with_parent

die_with_parent()
what, *rest = sys.argv[1:]
if what == "print":
    print("hello", os.environ.get("COLOUR"), os.environ.get("HF_TOKEN"))
elif what == "raise":
    print("much", "more", sep="\\n")
    raise ValueError("because")
elif what == "refuse":
    print("error: there is no such thing")
    print("INFO: goodbye")
    sys.exit(3)
elif what == "crash":
    os.kill(os.getpid(), signal.Signals[rest[0]])
elif what == "silent":
    sys.exit(7)
else:
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(os.getpid(), grandchild.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that children may be."""
    (tmp_path / "some_child.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "some_child"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def error_line(module: str, log: Path, *arguments: str) -> str:
    with pytest.raises(ChildError) as raised:
        run_child(module, arguments, log=log)
    return str(raised.value)


def test_what_it_prints_is_kept(module: str, log: Path) -> None:
    run_child(module, ["print"], log=log, environment={"COLOUR": "blue"})
    assert log.read_text(encoding="utf-8") == "hello blue None\n"


def test_it_gets_a_secret_only_if_it_needs_it(module: str, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    run_child(module, ["print"], log=log)
    assert log.read_text(encoding="utf-8") == "hello None None\n"
    run_child(module, ["print"], log=log, environment={"HF_TOKEN": "secret"})
    assert log.read_text(encoding="utf-8") == "hello None secret\n"


def test_the_error_is_the_most_telling_line(module: str, log: Path) -> None:
    assert error_line(module, log, "raise") == "ValueError: because"
    assert error_line(module, log, "refuse") == "there is no such thing"
    assert error_line(module, log, "silent") == "it ended with exit code 7 and printed nothing"


@pytest.mark.skipif(os.name != "posix", reason="these are POSIX signals")
def test_a_crash_is_reported(module: str, log: Path) -> None:
    assert error_line(module, log, "crash", "SIGABRT") == "it crashed (signal 6)"
    assert error_line(module, log, "crash", "SIGKILL") == "it was killed, most likely because memory ran out"


def test_colours_are_removed() -> None:
    assert without_colours("\x1b[?25lApplying \x1b[90m━━\x1b[0m 48%\x1b[2K") == "Applying ━━ 48%"


def processes(log: Path) -> list[psutil.Process]:
    """The child and what it started."""
    wait_until(lambda: log.exists() and len(log.read_text(encoding="utf-8").split()) == 2)
    return [psutil.Process(int(each)) for each in log.read_text(encoding="utf-8").split()]


def all_gone(family: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)


def test_an_interrupted_parent_kills_it(module: str, log: Path) -> None:
    family: list[psutil.Process] = []

    def stop() -> None:
        family.extend(processes(log))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(module, ["wait"], log=log, on_poll=stop)
    wait_until(lambda: all_gone(family))


@pytest.fixture
def parent(module: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits for a child."""
    code = (
        "import sys; from pathlib import Path; from bot.export.child_process import run_child\n"
        f"run_child({module!r}, ['wait'], log=Path({str(log)!r}))"
    )
    paths = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}) as process:
        yield process
        process.kill()


def test_a_child_imports_the_package_of_its_parent(tmp_path: Path, log: Path) -> None:
    """An installed package lies in another folder than the tests' checkout."""
    installed = tmp_path / "site-packages"
    shutil.copytree(ROOT / "bot", installed / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    (installed / "bot" / "where.py").write_text("import bot\nprint(bot.__file__)", encoding="utf-8")
    code = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(installed)!r})\n"
        f"from bot.export.child_process import run_child; run_child('bot.where', [], log=Path({str(log)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert log.read_text(encoding="utf-8").strip() == str(installed / "bot" / "__init__.py")


@pytest.mark.skipif(os.name != "posix", reason="elsewhere the child's own child stays")
def test_it_dies_with_a_killed_parent(parent: subprocess.Popen[bytes], log: Path) -> None:
    family = processes(log)
    parent.send_signal(signal.SIGKILL)
    wait_until(lambda: all_gone(family))
