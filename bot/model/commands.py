"""The commands about models that error lines tell people to run."""

from __future__ import annotations

from pathlib import Path

from bot.own_command import own_command


def export_command(model: str, folder: Path) -> str:
    """Return the command that exports a model with the Phi-3 cookbook sample's recipe."""
    return own_command("export", "--model", model, "--output", str(folder))


def prebuilt_command(folder: Path) -> str:
    """Return the command that downloads a model that is exported already."""
    return own_command("export", "--prebuilt", "--output", str(folder))


def prebuilt_draft_command(folder: Path, model_dir: Path) -> str:
    """Return the command that downloads a draft model for the model in another folder."""
    return own_command("export", "--prebuilt-draft", "--output", str(folder), "--draft-for", str(model_dir))


def rollback_command(home: Path, version: str = "") -> str:
    """Return the command that goes back to a version, by default to the previous one."""
    return own_command("export", "--output", str(home), "--rollback", *([version] if version else []))
