"""A model whose answers take long enough to be interrupted, and more than one message."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_models.phi3 import VOCABULARY, write_tiny_phi3
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

ANSWER_TOKENS = 60
WORD_LENGTH = 40


def write_wordy_model(folder: Path, word_length: int = WORD_LENGTH) -> Path:
    """Write a tiny Phi-3 with random weights, each of whose tokens is a word; return its folder.

    Args:
        word_length: letters in a word. With the default, `ANSWER_TOKENS` fill two messages.
    """
    write_tiny_phi3(folder, layers=6, hidden=128, heads=8, head_size=32)
    definition = phi3_definition()["model"]
    vocabulary = definition["vocab"]
    numbers = range(len(vocabulary), VOCABULARY)
    words = {f"▁{number}{'o' * word_length}"[:word_length]: number for number in numbers}
    write_phi3_tokenizer_files(folder, model={**definition, "vocab": vocabulary | words})
    # No answer ends before its longest length.
    for name in ("config.json", "generation_config.json"):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": VOCABULARY - 1}))
    return folder
