"""Phi-3 models of a few MB with random weights, exported to OpenVINO like the real one.

Their answers are noise, but always the same noise.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

VOCABULARY = 32064
"""Rows of the embedding, as in Phi-3-mini, so that the real tokenizer's ids fit."""


def write_tiny_phi3(
    folder: Path,
    *,
    layers: int = 2,
    hidden: int = 64,
    heads: int = 4,
    head_size: int = 16,
    context: int = 4096,
    original_context: int | None = None,
    vocabulary: int = VOCABULARY,
    int8: bool = False,
) -> Path:
    """Write a model folder without a tokenizer, and return it. The folder need not exist.

    Args:
        hidden: size of the residual stream.
        heads: attention heads, each with keys and values of its own.
        head_size: `heads * head_size` may be far above `hidden`, for few weights and much to compute.
        context: most tokens of prompt and answer together.
        original_context: below `context`, the model has LongRoPE with other factors beyond it.
        vocabulary: rows of the embedding.
        int8: compress the weights.
    """
    # In a process of its own, because torch would stay in this one for good.
    sizes = [
        str(size)
        for size in (layers, hidden, heads, head_size, context, original_context or context, vocabulary, int(int8))
    ]
    command = [sys.executable, __file__, str(folder), *sizes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _export(
    folder: Path,
    layers: int,
    hidden: int,
    heads: int,
    head_size: int,
    context: int,
    original_context: int,
    vocabulary: int,
    int8: int,
) -> None:
    import torch
    from optimum.intel import OVModelForCausalLM
    from transformers import Phi3Config, Phi3ForCausalLM

    config = Phi3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        head_dim=head_size,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        original_max_position_embeddings=original_context,
        rope_parameters=_rotary(head_size, original_context) if original_context < context else None,
        initializer_range=0.2,  # ten times the usual value, so that the likeliest token leads clearly
        bos_token_id=1,
        eos_token_id=32000,
        pad_token_id=32000,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as checkpoint:
        Phi3ForCausalLM(config).save_pretrained(checkpoint)
        model = OVModelForCausalLM.from_pretrained(checkpoint, export=True, compile=False, load_in_8bit=bool(int8))
        # optimum-intel writes the original context as the only one; its command line does not.
        model.config.max_position_embeddings = context
        model.save_pretrained(folder)


def _rotary(head_size: int, original_context: int) -> dict[str, Any]:
    """LongRoPE whose long factors are far from the short ones, so that the wrong ones show."""
    frequencies = range(head_size // 2)
    return {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "original_max_position_embeddings": original_context,
        "short_factor": [1.0 + 0.05 * each for each in frequencies],
        "long_factor": [1.5 + 1.7 * each for each in frequencies],
    }


if __name__ == "__main__":
    _export(Path(sys.argv[1]), *(int(size) for size in sys.argv[2:]))
