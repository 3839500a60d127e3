"""Models whose answers take long enough to be interrupted, and more than one message."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from tiny_models.phi3 import VOCABULARY, write_tiny_phi3
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

ANSWER_TOKENS = 60
WORD_LENGTH = 40
LONGEST_OF_MANY = 300
_SHORT_WORD_LENGTH = 10
_FIRST_STOP_TOKEN = 1000
_ONE_TOKEN_IN_STOPS = 200


def write_wordy_model(folder: Path, word_length: int = WORD_LENGTH) -> Path:
    """Write a tiny Phi-3 with random weights, each of whose tokens is a word; return its folder.

    Args:
        word_length: letters in a word. With the default, `ANSWER_TOKENS` fill two messages.
    """
    write_tiny_phi3(folder, layers=6, hidden=128, heads=8, head_size=32)
    _write_words(folder, word_length)
    # No answer ends before its longest length.
    _set_stop_tokens(folder, [VOCABULARY - 1])
    return folder


def write_model_of_many_lengths(folder: Path, tiny: Path) -> Path:
    """Copy a tiny Phi-3 into a new folder, and make each of its tokens a word and some end the answer.

    Its answers end anywhere up to `LONGEST_OF_MANY` tokens, which fill two messages. Returns the folder.
    """
    shutil.copytree(tiny, folder)
    _write_words(folder, _SHORT_WORD_LENGTH)
    _set_stop_tokens(folder, range(_FIRST_STOP_TOKEN, VOCABULARY, _ONE_TOKEN_IN_STOPS))
    return folder


def _write_words(folder: Path, word_length: int) -> None:
    definition = phi3_definition()["model"]
    vocabulary = definition["vocab"]
    numbers = range(len(vocabulary), VOCABULARY)
    words = {f"▁{number}{'o' * word_length}"[:word_length]: number for number in numbers}
    write_phi3_tokenizer_files(folder, model={**definition, "vocab": vocabulary | words})


def _set_stop_tokens(folder: Path, ids: Iterable[int]) -> None:
    for name in ("config.json", "generation_config.json"):
        file = folder / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token_id": list(ids)}))
