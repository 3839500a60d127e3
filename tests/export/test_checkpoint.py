"""Reading a checkpoint before it is loaded, and refusing others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigurationError
from bot.export.checkpoint import Checkpoint, count_parameters, read_checkpoint
from bot.model.config import ModelConfig
from tests.export.exported_home import Exported


def checkpoint(**config: Any) -> Checkpoint:
    return Checkpoint("ada/model", ModelConfig.from_document(config), 0, 0)


def error_line(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read_checkpoint(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_sizes_are_read_from_the_headers(exported: Exported) -> None:
    found = read_checkpoint(exported.checkpoint)
    vocabulary, hidden, layers, widened = exported.tokenizer.raw.get_vocab_size(), 128, 2, 256
    layer = 4 * hidden * hidden + 3 * hidden * widened + 2 * hidden
    assert found.embedding_parameters == 2 * vocabulary * hidden
    assert found.parameters == found.embedding_parameters + layers * layer + hidden
    assert found.sixteen_bit_bytes == 2 * found.parameters
    assert found.weights_bytes == (exported.checkpoint / "model.safetensors").stat().st_size
    found.require_language_model(trust_remote_code=False)


def test_weights_of_torch_are_counted_by_their_size(exported: Exported, tmp_path: Path) -> None:
    shutil.copy(exported.checkpoint / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1000))
    assert read_checkpoint(tmp_path).parameters == 500


def test_folders_that_hold_something_else(exported: Exported, tmp_path: Path) -> None:
    assert (
        error_line(exported.model) == f"{exported.model} is already an OpenVINO model; set MODEL_DIR={exported.model}"
    )
    assert "it has no config.json" in error_line(tmp_path)
    shutil.copy(exported.checkpoint / "config.json", tmp_path)
    assert "it has no weights (*.safetensors or pytorch_model*.bin)" in error_line(tmp_path)
    weights = (exported.checkpoint / "model.safetensors").read_bytes()
    for content in (weights[:-1], weights[:100], b"", b"no safetensors file at all"):
        (tmp_path / "model.safetensors").write_bytes(content)
        assert f"{tmp_path / 'model.safetensors'} is damaged: " in error_line(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert f"{tmp_path} is damaged: its config.json is not valid JSON" in error_line(tmp_path)


def test_a_header_that_claims_too_much_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes((1 << 40).to_bytes(8, "little") + json.dumps({}).encode())
    with pytest.raises(ConfigurationError, match="its header is too long"):
        count_parameters(path)


def test_other_models_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="ada/model is a BertForMaskedLM, not a causal language model"):
        checkpoint(architectures=["BertForMaskedLM"], model_type="bert").require_language_model(trust_remote_code=False)


def test_trust_is_required_only_for_code_that_would_run() -> None:
    code = {"auto_map": {"AutoModelForCausalLM": "modeling.Model"}, "architectures": ["ModelForCausalLM"]}
    checkpoint(**code, model_type="phi3").require_language_model(trust_remote_code=False)
    other = checkpoint(**code, model_type="homemade")
    other.require_language_model(trust_remote_code=True)
    with pytest.raises(ConfigurationError, match="needs its own Python code; if you have read it and trust it, add"):
        other.require_language_model(trust_remote_code=False)
