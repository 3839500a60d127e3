"""A draft model of random weights, for machines that have no real one."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

from tiny_models.phi3 import write_tiny_phi3

from bot.errors import ConfigurationError
from bot.model import source
from bot.model.folder import ModelFolder
from bot.own_command import install_command

_LAYERS, _HIDDEN, _HEADS = 6, 512, 8
"""With a vocabulary of 32,064 tokens these make 50 million weights, as many as the draft model for Phi-3-mini has."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


def write_random_draft_model(parent: Path, model: ModelFolder) -> Path:
    """Write a draft model with int8 weights into a new folder, and return that.

    Args:
        parent: an existing folder.
        model: gives tokenizer, vocabulary and context.

    Raises:
        ConfigurationError: a package for the export is missing.
    """
    if missing := [name for name in ("optimum", "torch") if find_spec(name) is None]:
        raise ConfigurationError(
            f"a random draft model needs {' and '.join(missing)}; run `{install_command('optimum')}`, or give "
            "--draft-model a folder"
        )
    folder = write_tiny_phi3(
        parent / "draft_model",
        layers=_LAYERS,
        hidden=_HIDDEN,
        heads=_HEADS,
        head_size=_HIDDEN // _HEADS,
        context=model.context_length,
        vocabulary=model.vocabulary_size,
        int8=True,
    )
    for name in _TOKENIZER_FILES:
        if (model.path / name).exists():
            shutil.copy(model.path / name, folder)
    (folder / source.FILE_NAME).write_text(json.dumps({"name": "random-weights"}), encoding="utf-8")
    return folder
