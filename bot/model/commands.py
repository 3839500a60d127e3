"""The commands that error lines tell people to run. They work in a checkout and with an installed package."""

from __future__ import annotations

from pathlib import Path

EXPORT = "python -m bot export"


def export_command(model: str, folder: Path) -> str:
    """Return the command that exports a model with the Phi-3 cookbook sample's recipe."""
    return f"{EXPORT} --model {_quote(model)} --output {_quote(str(folder))}"


def prebuilt_command(folder: Path) -> str:
    """Return the command that downloads a model that is exported already."""
    return f"{EXPORT} --prebuilt --output {_quote(str(folder))}"


def rollback_command(home: Path, version: str = "") -> str:
    """Return the command that goes back to a version, by default to the previous one."""
    return f"{EXPORT} --output {_quote(str(home))} --rollback {version}".rstrip()


def _quote(argument: str) -> str:
    return f'"{argument}"' if " " in argument else argument
