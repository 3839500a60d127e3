"""Tiny random models of the architectures that the bot supports, exported to OpenVINO, with torch's own answers.

The sizes are tiny, and so are the limits that a real prompt would reach late: the sliding window, and LongRoPE's
original context.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    import transformers

VOCABULARY = 500
CONTEXT = 4096
ORIGINAL_CONTEXT = 512
"""Up to this many tokens a sequence is read with LongRoPE's short factors, a longer one with the long ones."""

_ANSWERS_NAME = "torch_answers.json"
_HEAD_SIZE = 16
# Not a multiple of a cache block.
_SLIDING_WINDOW = 40
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": ORIGINAL_CONTEXT,
}


def _longrope(rotated: int) -> dict[str, Any]:
    """A `rope_scaling` as Phi-3.5's config.json has it; the two lists differ much, so that a mix-up shows."""
    pairs = range(rotated // 2)
    return {
        "rope_scaling": {
            "type": "longrope",
            "short_factor": [1.0 + pair / 10 for pair in pairs],
            "long_factor": [1.0 + 2.0 * pair for pair in pairs],
        },
        "original_max_position_embeddings": ORIGINAL_CONTEXT,
    }


ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "phi3": ("Phi3Config", {"sliding_window": _SLIDING_WINDOW, "original_max_position_embeddings": CONTEXT}),
    "phi3-longrope": ("Phi3Config", _longrope(_HEAD_SIZE)),
    "phi4-mini": (
        "Phi3Config",
        {"partial_rotary_factor": 0.75, "tie_word_embeddings": True, **_longrope(_HEAD_SIZE * 3 // 4)},
    ),
    "llama3": ("LlamaConfig", {"rope_theta": 500_000.0, "rope_scaling": _LLAMA3_ROPE}),
    "qwen2": ("Qwen2Config", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3Config", {"head_dim": 2 * _HEAD_SIZE, "tie_word_embeddings": True}),
    "mistral": ("MistralConfig", {"sliding_window": _SLIDING_WINDOW}),
    "smollm2": ("LlamaConfig", {"rope_theta": 100_000.0, "tie_word_embeddings": True}),
}
"""By name: the class of the configuration in transformers, and what sets the architecture apart."""

WRONG_ON_PAGED_ATTENTION: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt-neo": ("GPTNeoConfig", {"window_size": _SLIDING_WINDOW, "attention_types": [[["global", "local"], 1]]}),
}
"""What the bot does not support, although it can be exported and loads."""


def write_architectures(
    folder: Path, names: Sequence[str], prompts: Sequence[Sequence[int]] = (), answer_tokens: int = 0
) -> Path:
    """Write a model folder without a tokenizer for each name into a new folder, and return that folder.

    Args:
        names: of `ARCHITECTURES` or `WRONG_ON_PAGED_ATTENTION`.
        prompts: torch answers them too, greedily and in float32; `torch_answers` reads the answers.
        answer_tokens: the length of each answer.
    """
    folder.mkdir()
    order = json.dumps([list(names), [list(each) for each in prompts], answer_tokens])
    # In a process of its own, because torch would stay in this one for good.
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, input=order, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def torch_answers(model: Path) -> dict[tuple[int, ...], tuple[int, ...]]:
    """Torch's answer to each prompt that the model's folder was written with."""
    pairs = json.loads((model / _ANSWERS_NAME).read_text(encoding="utf-8"))
    return {tuple(prompt): tuple(answer) for prompt, answer in pairs}


def checkpoint_of(model: Path) -> Path:
    """The checkpoint, with weights in float32, that a model folder was exported from."""
    return model.with_name(f"{model.name}-checkpoint")


def _write(folder: Path, names: list[str], prompts: list[list[int]], answer_tokens: int) -> None:
    import torch
    import transformers
    from optimum.exporters.openvino import main_export

    for name in names:
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(_config(name)).eval()
        pairs = [(prompt, _answer(model, prompt, answer_tokens)) for prompt in prompts]
        checkpoint = checkpoint_of(folder / name)
        model.save_pretrained(checkpoint)
        # As the command line does; `OVModelForCausalLM` writes LongRoPE's original context as the only one.
        main_export(str(checkpoint), folder / name, task="text-generation-with-past")
        (folder / name / _ANSWERS_NAME).write_text(json.dumps(pairs), encoding="utf-8")


def _config(name: str) -> transformers.PretrainedConfig:
    import transformers

    kind, differences = {**ARCHITECTURES, **WRONG_ON_PAGED_ATTENTION}[name]
    make: Callable[..., transformers.PretrainedConfig] = getattr(transformers, kind)
    usual = {
        "vocab_size": VOCABULARY,
        "hidden_size": 4 * _HEAD_SIZE,
        "intermediate_size": 8 * _HEAD_SIZE,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": CONTEXT,
        "initializer_range": 0.2,  # ten times the usual value, so that the likeliest token leads clearly
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
        "tie_word_embeddings": False,
    }
    return make(**{**usual, **differences})


def _answer(model: torch.nn.Module, prompt: list[int], tokens: int) -> list[int]:
    """Choose each token from a pass over the whole sequence.

    Not transformers' own `generate`: where an answer grows past LongRoPE's original context, 5.5.4 drops the cache and
    yet reads only the last token anew.
    """
    import torch

    ids = torch.tensor([prompt])
    with torch.inference_mode():
        for _ in range(tokens):
            logits = model(ids, use_cache=False).logits
            ids = torch.cat([ids, logits[:, -1:].argmax(-1)], dim=1)
    answer: list[int] = ids[0, len(prompt) :].tolist()
    return answer


if __name__ == "__main__":
    _write(Path(sys.argv[1]), *json.load(sys.stdin))
