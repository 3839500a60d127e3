from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import AutoConfig

from bot.demo.gguf_files import read_metadata, write_model_files
from tests.demo import tiny_gguf
from tests.demo.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_model_files(read_metadata(write_tiny_gguf(folder / "tiny.gguf")), folder)
    return folder


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def test_transformers_reads_the_architecture(tiny_folder: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_folder)
    assert config.model_type == "llama"
    assert config.architectures == ["LlamaForCausalLM"]
    assert config.hidden_size == tiny_gguf.HIDDEN
    assert config.intermediate_size == tiny_gguf.INTERMEDIATE
    assert config.num_hidden_layers == tiny_gguf.LAYERS
    assert config.num_attention_heads == tiny_gguf.HEADS
    assert config.num_key_value_heads == tiny_gguf.KEY_VALUE_HEADS
    assert config.head_dim == tiny_gguf.HIDDEN // tiny_gguf.HEADS
    assert config.max_position_embeddings == tiny_gguf.CONTEXT_LENGTH
    assert config.rope_parameters["rope_theta"] == 5000.0
    assert config.rms_norm_eps == 2**-16
    assert config.vocab_size == len(tiny_gguf.TOKENS)
    assert config.tie_word_embeddings
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 2)


def test_generation_stops_on_the_end_token(tiny_folder: Path) -> None:
    assert read(tiny_folder / "generation_config.json") == {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }


def test_tokenizer_config_carries_the_chat_template(tiny_folder: Path) -> None:
    config = read(tiny_folder / "tokenizer_config.json")
    assert config["chat_template"] == tiny_gguf.CHAT_TEMPLATE
    assert config["bos_token"] == "<|im_start|>"
    assert config["eos_token"] == "<|im_end|>"
    assert config["model_max_length"] == tiny_gguf.CONTEXT_LENGTH


def test_tokenizer_merges_splits_digits_and_finds_control_tokens(tiny_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
    assert tokenizer.encode("hi hi<|im_end|>").tokens == ["hi", "Ġhi", "<|im_end|>"]
    assert tokenizer.encode("12").tokens == ["1", "2"]  # although a merge for it exists
    assert tokenizer.encode("é").tokens == ["Ã", "©"]
    ids = tokenizer.encode("hi 12é<|im_end|>").ids
    assert tokenizer.decode(ids) == "hi 12é"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "hi 12é<|im_end|>"


@pytest.mark.parametrize(
    ("kind", "key"),
    [({"pre_tokenizer": "llama-bpe"}, "tokenizer.ggml.pre"), ({"architecture": "phi3"}, "general.architecture")],
)
def test_another_kind_of_model_is_refused(tmp_path: Path, kind: dict[str, str], key: str) -> None:
    metadata = read_metadata(write_tiny_gguf(tmp_path / "other.gguf", **kind))
    with pytest.raises(ValueError, match=key):
        write_model_files(metadata, tmp_path)
