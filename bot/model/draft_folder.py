"""Opens the folder that DRAFT_MODEL_DIR names."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.commands import prebuilt_draft_command
from bot.model.folder import ModelFolder, open_model_folder


def open_draft_folder(path: Path, model_dir: Path) -> ModelFolder:
    """Check that a draft model's folder is complete, and read what its files say.

    Args:
        path: its folder, or one with versions, whose current one is opened.
        model_dir: where the model is that it drafts for.

    Raises:
        ConfigurationError: the folder is missing, unreadable or incomplete.
    """
    try:
        return open_model_folder(path)
    except ConfigurationError as error:
        cause, _, _ = str(error).partition(";")  # what follows is the way out for a model
        raise ConfigurationError(
            f"DRAFT_MODEL_DIR: {cause}; fetch a draft model with `{prebuilt_draft_command(path, model_dir)}`, or leave "
            "DRAFT_MODEL_DIR out"
        ) from error
