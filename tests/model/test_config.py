"""A model's `config.json`: what it says, what it may leave out, and what is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.model.config import ModelConfig

PHI3: dict[str, Any] = {
    "_name_or_path": "microsoft/Phi-3-mini-4k-instruct",
    "architectures": ["Phi3ForCausalLM"],
    "auto_map": {"AutoConfig": "configuration_phi3.Phi3Config"},
    "eos_token_id": 32000,
    "hidden_size": 3072,
    "max_position_embeddings": 4096,
    "model_type": "phi3",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 32064,
}


def config(**changes: Any) -> ModelConfig:
    return ModelConfig.from_document({**PHI3, **changes})


def test_phi3(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(PHI3), encoding="utf-8")
    assert ModelConfig.read(tmp_path) == ModelConfig(
        context_length=4096,
        original_context=None,
        vocabulary_size=32064,
        hidden_size=3072,
        layers=32,
        key_value_heads=32,
        head_size=96,
        eos_token_ids=frozenset({32000}),
        architectures=("Phi3ForCausalLM",),
        model_type="phi3",
        origin="microsoft/Phi-3-mini-4k-instruct",
        dtype="bfloat16",
        ties_embeddings=False,
        has_own_code=True,
    )


def test_heads_and_their_size_may_differ_from_the_usual() -> None:
    assert config(num_key_value_heads=8, head_dim=64).require("key_value_heads", "head_size") == (8, 64)
    assert config(num_key_value_heads=None, head_dim=None).require("key_value_heads", "head_size") == (32, 96)


def test_stop_tokens_may_be_several_or_none() -> None:
    assert config(eos_token_id=[1, 2, "3"]).eos_token_ids == {1, 2}
    assert config(eos_token_id=None).eos_token_ids == frozenset()


def test_the_new_name_of_the_number_format_comes_first() -> None:
    assert config(dtype="float16").dtype == "float16"


def test_values_of_another_type_are_not_believed() -> None:
    odd = config(architectures="x", model_type=3, _name_or_path=[], torch_dtype=16)
    assert (odd.architectures, odd.model_type, odd.origin, odd.dtype) == ((), None, None, None)


@pytest.mark.parametrize("value", [None, 0, -1, "4096", [1]])
def test_a_number_that_is_needed_and_unusable_is_named_by_its_key(value: object) -> None:
    with pytest.raises(ValueError, match=r"^config\.json has no usable max_position_embeddings$"):
        config(max_position_embeddings=value).require("vocabulary_size", "context_length")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b'{"a": ', "is not valid JSON"), (b"\xff\xfe\x00", "is not valid JSON"), (b"[1]", "is not a JSON object")],
)
def test_a_file_that_is_no_json_object(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=rf"^config\.json {reason}"):
        ModelConfig.parse(content)


@pytest.mark.parametrize(
    ("changes", "original"),
    [
        ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 4096}}, 4096),
        # As published: microsoft/Phi-3.5-mini-instruct, and the first revision of Phi-3-mini-128k.
        ({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}, 4096),
        ({"rope_scaling": {"type": "su"}, "original_max_position_embeddings": 4096}, 4096),
        ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 131072}}, None),
        ({"rope_parameters": {"rope_type": "llama3", "original_max_position_embeddings": 8192}}, None),
        ({"rope_scaling": {"type": "longrope"}}, None),
        ({"rope_scaling": None, "original_max_position_embeddings": 4096}, None),
        ({"rope_scaling": "longrope"}, None),
    ],
)
def test_the_original_context_of_longrope(changes: dict[str, Any], original: int | None) -> None:
    assert config(max_position_embeddings=131072, **changes).original_context == original
