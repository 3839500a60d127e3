"""Installs a server from PyPI into a virtual environment of its own, beside the bot's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bot.child_environment import child_environment
from bot.errors import ConfigurationError
from completion_servers.kinds import ServerKind, programs_of

DEFAULT_HOME = Path(__file__).resolve().parents[2] / "build" / "completion-servers"
_STAMP = "installed"


def installed(name: str, kind: ServerKind, home: Path) -> Path | None:
    """The virtual environment of a server, or None if it is not there in this version."""
    environment = home / name
    stamp = environment / _STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == kind.requirement:
        return environment
    return None


def install(name: str, kind: ServerKind, home: Path, on_progress: Callable[[str], None]) -> Path:
    """Return the virtual environment of a server; make it first if it is not there in this version.

    Raises:
        ConfigurationError: pip cannot install it. The message names the log.
    """
    environment = installed(name, kind, home)
    if environment is not None:
        return environment
    environment, log = home / name, home / f"{name}.log"
    on_progress(f"Installing {kind.requirement} into {environment} ({kind.effort}; log: {log})")
    try:
        if environment.exists():
            shutil.rmtree(environment)
        home.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            for command in _commands(kind, environment):
                _run(kind, command, output.fileno(), log)
        (environment / _STAMP).write_text(kind.requirement, encoding="utf-8")  # last: what lacks it is made anew
    except OSError as error:
        raise ConfigurationError(
            f"{kind.requirement} cannot be installed in {home}: {error.strerror}; choose another folder with --home"
        ) from error
    return environment


def _commands(kind: ServerKind, environment: Path) -> list[list[str]]:
    python = str(programs_of(environment) / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", kind.requirement]
    return [[sys.executable, "-m", "venv", str(environment)], pip, [python, *kind.finishing]]


def _run(kind: ServerKind, command: list[str], output: int, log: Path) -> None:
    variables = {**child_environment(with_network=True), **kind.install_variables}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=variables, check=False
    )
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line.strip() for line in lines if line.strip().lower().startswith("error:")] or ["no error line"]
        raise ConfigurationError(f"{kind.requirement} cannot be installed: {errors[-1]}; the whole output is in {log}")
