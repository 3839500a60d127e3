"""A model whose answers take long enough to be interrupted, and more than one message."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_models.phi3 import VOCABULARY, write_tiny_phi3
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

ANSWER_TOKENS = 60
_WORD_LENGTH = 40


def write_wordy_model(folder: Path) -> Path:
    """Write a tiny Phi-3 with random weights and return its folder. Each of its tokens is a word of 40 letters."""
    write_tiny_phi3(folder, layers=6, hidden=128, heads=8, head_size=32)
    definition = phi3_definition()["model"]
    vocabulary = definition["vocab"]
    words = {f"▁{number}{'o' * _WORD_LENGTH}"[:_WORD_LENGTH]: number for number in range(len(vocabulary), VOCABULARY)}
    write_phi3_tokenizer_files(folder, model={**definition, "vocab": vocabulary | words})
    # No answer ends before its longest length.
    for name in ("config.json", "generation_config.json"):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": VOCABULARY - 1}))
    return folder
