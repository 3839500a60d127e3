"""Writes the files beside an OpenVINO model's weights from a GGUF file's metadata.

The fields are those of the GGUF specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md); the
written files are those of a Hugging Face model folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import GGUFReader, TokenType
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

ARCHITECTURE = "llama"
TOKENIZER_MODEL = "gpt2"
PRE_TOKENIZER = "smollm"

Metadata = Mapping[str, Any]


def read_metadata(gguf_path: Path) -> Metadata:
    """Return every metadata field of a GGUF file: its key and its value as plain Python data."""
    reader = GGUFReader(gguf_path)
    return {key: field.contents() for key, field in reader.fields.items()}


def write_model_files(metadata: Metadata, folder: Path) -> None:
    """Write the configuration and tokenizer files of a llama model with SmolLM's tokenizer.

    Args:
        metadata: the fields of the GGUF file, as `read_metadata` returns them.
        folder: receives `config.json`, `generation_config.json`, `tokenizer.json` and `tokenizer_config.json`.

    Raises:
        ValueError: these files cannot describe this architecture or tokenizer.
        KeyError: a required field is missing.
    """
    _require(metadata, "general.architecture", ARCHITECTURE)
    _require(metadata, "tokenizer.ggml.model", TOKENIZER_MODEL)
    _require(metadata, "tokenizer.ggml.pre", PRE_TOKENIZER)
    _write_json(folder / "config.json", model_config(metadata))
    _write_json(folder / "generation_config.json", _special_token_ids(metadata))
    build_tokenizer(metadata).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", tokenizer_config(metadata))


def model_config(metadata: Metadata) -> dict[str, Any]:
    """Return `config.json` as transformers' `LlamaConfig` reads it.

    The output layer counts as tied to the embedding: SmolLM2's GGUF has no `output.weight` of its own.
    """
    vocabulary_size = len(metadata["tokenizer.ggml.tokens"])
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": metadata["llama.attention.head_count"],
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.rope.dimension_count"],
        "max_position_embeddings": metadata["llama.context_length"],
        "rms_norm_eps": metadata["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": metadata["llama.rope.freq_base"],
        "tie_word_embeddings": True,
        "vocab_size": metadata.get("llama.vocab_size", vocabulary_size),
        **_special_token_ids(metadata),
    }


def build_tokenizer(metadata: Metadata) -> Tokenizer:
    """Return the byte-level BPE tokenizer that the metadata describes.

    SmolLM's pre-tokenizer splits every digit off and then splits as GPT-2 does. Control tokens are found in the
    text before that, as `special` added tokens, and decoding with `skip_special_tokens` leaves them out.
    """
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    token_types: list[int] = metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    vocabulary = {token: token_id for token_id, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control_tokens = (
        token for token, token_type in zip(tokens, token_types, strict=True) if token_type == TokenType.CONTROL
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control_tokens])
    return tokenizer


def tokenizer_config(metadata: Metadata) -> dict[str, Any]:
    """Return `tokenizer_config.json`: the names of the special tokens and the chat template."""
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata["llama.context_length"],
        "bos_token": tokens[metadata["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[metadata["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[metadata["tokenizer.ggml.padding_token_id"]],
        "chat_template": metadata["tokenizer.chat_template"],
    }


def _special_token_ids(metadata: Metadata) -> dict[str, int]:
    return {
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
    }


def _require(metadata: Metadata, key: str, expected: str) -> None:
    if metadata[key] != expected:
        raise ValueError(f"the GGUF file's {key} is {metadata[key]!r}, and only {expected!r} is supported")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
