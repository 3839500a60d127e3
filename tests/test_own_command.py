"""The commands in error lines work where the reader stands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot import own_command as module
from bot.own_command import install_command, own_command


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a virtual environment in the reader's folder."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "phi-bot"):
        (folder / name).symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bot" / "__main__.py")])
    return folder


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths and quotes are POSIX's here")


def test_below_the_readers_folder_the_path_is_relative(bin_folder: Path) -> None:
    assert own_command("export", "--output", "my model") == ".venv/bin/python -m bot export --output 'my model'"


def test_what_is_on_the_path_goes_by_its_name(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert own_command("run") == f"{bin_folder}/python -m bot run"
    monkeypatch.setenv("PATH", str(bin_folder))
    assert own_command("run") == "python -m bot run"


def test_whoever_uses_the_console_command_reads_of_it(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(bin_folder / "phi-bot"), "run"])
    assert own_command("export") == ".venv/bin/phi-bot export"
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.chdir("/")
    assert own_command("export") == "phi-bot export"


def test_a_checkout_installs_by_its_pins(bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "constraints.txt").touch()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert install_command("demo") == ".venv/bin/python -m pip install -c constraints.txt -e '.[demo]'"
    assert install_command() == ".venv/bin/python -m pip install -c constraints.txt -e ."
    monkeypatch.chdir("/")
    assert install_command("demo").endswith(f"pip install -c {tmp_path}/constraints.txt -e '{tmp_path}[demo]'")


def test_without_a_checkout_the_packages_are_named(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOT", bin_folder)
    needs = ["openvino>=2026.4", 'asyncpg<1,>=0.32; extra == "postgresql"', 'gguf>=0.19; extra == "demo"']
    monkeypatch.setattr(module, "requires", lambda _name: needs)
    assert install_command("postgresql") == ".venv/bin/python -m pip install 'asyncpg<1,>=0.32'"
