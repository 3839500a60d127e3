"""The unit in `deploy/systemd`, by systemd's own tools and against the bot's own numbers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from tests.deploy.queries import ROOT

UNIT = ROOT / "deploy" / "systemd" / "phi-bot.service"
HIGHEST_EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


def values() -> dict[str, str]:
    """Return the last value of each directive."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z]+=", line))


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_systemd_finds_no_mistake(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    # A command that exists here; a directive that systemd does not know is a line on standard error.
    unit.write_text(re.sub("ExecStart=.*", "ExecStart=/bin/true", UNIT.read_text(encoding="utf-8")), encoding="utf-8")
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_service_is_hardened(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    shutil.copy(UNIT, unit)
    done = analyze("security", "--offline=true", f"--threshold={HIGHEST_EXPOSURE * 10:.0f}", str(unit))
    assert done.returncode == 0, done.stdout[-300:]


def test_it_stays_down_after_a_mistake_in_the_setup() -> None:
    unit = values()
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == str(ConfigurationError.EXIT_CODE)


def test_what_the_bot_relies_on() -> None:
    unit = values()
    assert unit["Type"] == "notify"
    assert unit["KillMode"] == "mixed", "the engine would end before the drain"
    assert unit["OOMPolicy"] == "continue", "an engine that the kernel ends would end the bot"
    # bot/service_manager.py extends both by a minute, every ten seconds at most.
    assert int(unit["TimeoutStartSec"]) >= 60
    assert int(unit["TimeoutStopSec"]) >= 30
