"""A complete model folder of a few MB whose smallest KV cache is shorter than its context. It answers with noise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models.phi3 import VOCABULARY, write_tiny_phi3

from bot.model.folder import open_model_folder
from bot.model.source import ModelSource, write_model_source
from tests.phi3_tokenizer import phi3_definition, write_phi3_tokenizer
from tests.shared_folder import shared_folder

NAME = "tiny-chat"
CONTEXT_LENGTH = 8192


def shared_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, which no test may change."""
    return open_model_folder(shared_folder(tmp_path_factory, "tiny-served", _write)).path


def _write(folder: Path) -> None:
    write_tiny_phi3(folder, layers=1, hidden=32, heads=32, head_size=128, context=CONTEXT_LENGTH)
    definition = phi3_definition()["model"]
    # The embedding has more rows than the tokenizer has tokens: each of the others becomes a word, too.
    words = {f"▁word{number}": number for number in range(len(definition["vocab"]), VOCABULARY)}
    write_phi3_tokenizer(folder, model={**definition, "vocab": definition["vocab"] | words})
    write_model_source(folder, ModelSource(name=NAME))
    for name in ("config.json", "generation_config.json"):  # noise must not end an answer early
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": VOCABULARY - 1}, indent=2))
