"""Writes a checkpoint of a tiny Phi-3 with a tokenizer like Phi-3's, large enough for the sample's recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.phi3_tokenizer import Phi3Tokenizer, write_phi3_tokenizer

ROOT = Path(__file__).resolve().parents[2]
ANSWER_ENDS = ("<|endoftext|>", "<|assistant|>", "<|end|>")


def write_phi3_checkpoint(folder: Path) -> Phi3Tokenizer:
    """Write it into a new folder. A group size of 128 needs rows of at least 128 weights."""
    folder.mkdir()
    tokenizer = write_phi3_tokenizer(folder)
    ends = [str(tokenizer.ids[text]) for text in ANSWER_ENDS]
    # In its own process, because torch would stay in the tests' process.
    command = [sys.executable, "-m", __name__, str(folder), str(tokenizer.raw.get_vocab_size()), *ends]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tokenizer


def _write(folder: Path, vocabulary: int, ends: list[int]) -> None:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    config = Phi3Config(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=1200,
        original_max_position_embeddings=1200,
        initializer_range=0.2,  # ten times the usual, so that the likeliest token leads clearly
        bos_token_id=1,
        eos_token_id=ends[0],
        pad_token_id=ends[0],
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = Phi3ForCausalLM(config).to(torch.bfloat16)
    model.generation_config.eos_token_id = ends
    model.save_pretrained(folder)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), int(sys.argv[2]), [int(each) for each in sys.argv[3:]])
