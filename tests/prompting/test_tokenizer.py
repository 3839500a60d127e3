"""Tokenizer files, usable and unusable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.prompting.prompt import PromptBuilder
from bot.prompting.tokenizer import Tokenizer
from tests.phi3_tokenizer import Phi3Tokenizer, phi3_definition


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "is not a tokenizer"),
        (b'{"model": {"type": "BPE", "vocab": {}, "merges": [["a"]]}}', "is not a tokenizer"),
        (json.dumps({**phi3_definition(), "model": {"type": "WordPiece"}}).encode(), "WordPiece is not supported"),
    ],
)
def test_an_unusable_file_is_an_error_of_one_line(tmp_path: Path, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match=says) as caught:
        Tokenizer.from_folder(tmp_path)
    assert str(tmp_path / "tokenizer.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_decoding_skips_control_tokens(phi3: Phi3Tokenizer, builder: PromptBuilder) -> None:
    tokenizer = builder.tokenizer
    hello = tokenizer.encode("Hello you", at_start=True)
    for text in ("<s>", "</s>", "<|end|>", "<|user|>", "<|endoftext|>"):
        assert tokenizer.decode([phi3.ids[text], *hello, phi3.ids[text]]) == "Hello you"


def test_merges_in_the_older_format_are_safe_too() -> None:
    definition = phi3_definition()
    definition["model"]["merges"] = [" ".join(merge) for merge in definition["model"]["merges"]]
    tokenizer = Tokenizer(definition)
    assert tokenizer.control_ids.isdisjoint(tokenizer.encode("</s>x <|end|>", at_start=True))
    assert tokenizer.encode("Hello", at_start=True) == Tokenizer(phi3_definition()).encode("Hello", at_start=True)
