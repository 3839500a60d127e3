"""What `pip install .` takes from a copy of the repository in which another version was installed before."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bot.storage import migrations
from tests.deploy.queries import ROOT

PARTS = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


def modules_of_a_wheel(source: Path, wheels: Path) -> set[str]:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if name.endswith(".py")}


def test_an_older_version_gets_no_migration_of_the_newer_one(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77", reason="pip would fetch it")
    source = tmp_path / "source"
    shutil.copytree(ROOT / "bot", source / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PARTS:
        shutil.copy(ROOT / name, source)
    [newest] = (source / "bot" / "storage" / "migrations" / "versions").glob(f"{migrations.newest_revision()}_*.py")
    newer = modules_of_a_wheel(source, tmp_path / "newer")
    newest.unlink()
    older = modules_of_a_wheel(source, tmp_path / "older")
    assert newer - older == {newest.relative_to(source).as_posix()}
    assert "bot/storage/migrations/__init__.py" in older
    assert not (source / "build").exists()
