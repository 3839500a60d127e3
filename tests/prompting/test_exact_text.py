"""Generated text becomes ids whose bytes are the text's, whatever the text is, and never a control token."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.files import TOKENIZER_FILE
from bot.prompting.exact_text import ExactText
from bot.prompting.tokenizer import Tokenizer, read_tokenizer
from tests.phi3_tokenizer import REAL_FOLDER, phi3_definition
from tests.small_model import FOLDER

KINDS = ["phi3-made", "smollm2", *(["phi3-real"] if REAL_FOLDER.is_dir() else [])]
TEXTS = st.text() | st.lists(
    st.sampled_from(
        [
            "<|end|>",
            "</s>",
            "<|im_end|>",
            "<0x41>",
            "▁",
            " ",
            "  ",
            "\n",
            "é",
            "🦙",
            "你好",
            "Hello",
            "the",
            "''",
            "\x00",
        ]
    )
).map("".join)


@cache
def encoder_and_tokenizer(kind: str) -> tuple[ExactText, Tokenizer]:
    if kind == "phi3-made":
        definition = phi3_definition()
    else:
        definition = read_tokenizer(REAL_FOLDER if kind == "phi3-real" else FOLDER)
    return ExactText(definition), Tokenizer(definition)


def writable(encoder: ExactText, text: str) -> str:
    """Leave out what the model cannot write: SmolLM2's vocabulary lacks some bytes."""
    return "".join(character for character in text if encoder.encode(character))


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_ids_stand_for_exactly_the_text(kind: str, text: str) -> None:
    encoder, tokenizer = encoder_and_tokenizer(kind)
    text = writable(encoder, text)
    ids = encoder.encode(text)
    assert b"".join(map(encoder.bytes_of, ids)) == text.encode()
    assert tokenizer.control_ids.isdisjoint(ids)
    # Phi-3's decoder takes a space away from the beginning of a text, as it does with what the model generates.
    shown = text.removeprefix(" ") if kind.startswith("phi3") else text
    assert tokenizer.decode(ids) == shown


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(min_size=1))
def test_half_a_character_has_ids(kind: str, text: str) -> None:
    encoder, _ = encoder_and_tokenizer(kind)
    content = writable(encoder, text).encode()[1:]
    assert b"".join(map(encoder.bytes_of, encoder.encode_bytes(content))) == content


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason="the real tokenizer is not beside the project")
def test_words_get_the_ids_that_phi3_generates() -> None:
    encoder, _ = encoder_and_tokenizer("phi3-real")
    assert encoder.encode(" Hi") == [6324]
    vocabulary = json.loads((REAL_FOLDER / TOKENIZER_FILE).read_text(encoding="utf-8"))["model"]["vocab"]
    assert encoder.encode(" The capital of France is Paris.") == [
        vocabulary[piece] for piece in ("▁The", "▁capital", "▁of", "▁France", "▁is", "▁Paris", ".")
    ]


def test_a_tokenizer_without_bytes_loses_only_what_it_lacks(tmp_path: Path) -> None:
    definition = phi3_definition()
    vocabulary = {text: id for text, id in definition["model"]["vocab"].items() if not text.startswith("<0x")}
    definition["model"] |= {"vocab": vocabulary, "byte_fallback": False}
    encoder = ExactText(definition)
    assert b"".join(map(encoder.bytes_of, encoder.encode("Hello 🦙 you"))) == b"Hello  you"
