"""Writes a GGUF file like SmolLM2's, small enough to make in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType
from tokenizers.pre_tokenizers import ByteLevel

CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["h i", "1 2", "Ġ hi"]
TOKENS = [*CONTROL_TOKENS, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]
CONTEXT_LENGTH = 128
HIDDEN, INTERMEDIATE, HEADS, KEY_VALUE_HEADS, LAYERS = 64, 128, 2, 1, 1


def write_tiny_gguf(path: Path, *, pre_tokenizer: str = "smollm", architecture: str = "llama") -> Path:
    """Write a llama model with one layer and random weights, whose tokenizer knows every byte and three merges."""
    writer = GGUFWriter(path, architecture)
    writer.add_context_length(CONTEXT_LENGTH)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_VALUE_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(5000.0)
    writer.add_layer_norm_rms_eps(2**-16)
    writer.add_vocab_size(len(TOKENS))
    writer.add_file_type(1)
    _add_tokenizer(writer, pre_tokenizer)
    _add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: GGUFWriter, pre_tokenizer: str) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer)
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL if token in CONTROL_TOKENS else TokenType.NORMAL for token in TOKENS])
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_weights(writer: GGUFWriter) -> None:
    key_value = HIDDEN // HEADS * KEY_VALUE_HEADS
    shapes = {
        "attn_q": (HIDDEN, HIDDEN),
        "attn_k": (key_value, HIDDEN),
        "attn_v": (key_value, HIDDEN),
        "attn_output": (HIDDEN, HIDDEN),
        "ffn_gate": (INTERMEDIATE, HIDDEN),
        "ffn_up": (INTERMEDIATE, HIDDEN),
        "ffn_down": (HIDDEN, INTERMEDIATE),
    }
    random = np.random.default_rng(0)
    writer.add_tensor("token_embd.weight", random.normal(size=(len(TOKENS), HIDDEN)).astype(np.float16))
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", random.normal(size=shape).astype(np.float16))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(HIDDEN, dtype=np.float32))
