"""Opens the folder that DRAFT_MODEL_DIR names."""

from __future__ import annotations

from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.commands import prebuilt_draft_command
from bot.model.folder import ModelFolder, open_model_folder
from bot.model.versions import home_of


def open_draft_folder(path: Path, model_dir: Path) -> ModelFolder:
    """Check that a draft model's folder is complete, and read what its files say.

    Args:
        path: its folder, or one with versions, whose current one is opened.
        model_dir: of the model that it drafts for; a version's is named by the folder with the versions.

    Raises:
        ConfigurationError: the folder is missing, unreadable or incomplete.
    """
    try:
        return open_model_folder(path)
    except ConfigurationError as error:
        cause, _, _ = str(error).partition(";")  # what follows is the way out for a model
        command = prebuilt_draft_command(path, home_of(model_dir) or model_dir)
        raise ConfigurationError(f"{cause}; fetch a draft model with `{command}`") from error
