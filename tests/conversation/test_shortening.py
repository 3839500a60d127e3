"""Texts that are too long are cut between tokens, and never inside a grapheme cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from bot.conversation.graphemes import torn_by_cut
from bot.conversation.shortening import shorten
from bot.prompting.tokenizer import Tokenizer
from tests.phi3_tokenizer import REAL_FOLDER, phi3_definition, write_phi3_tokenizer

FAMILY = "👨\u200d👩\u200d👧"
SIMPLE = (
    *("Hello", " the", " transformations", "ing", " ", "  ", "\n", "\t", "_", "x", "7", "▁", "\ufffd", "'s", "don't"),
    *("你好", "龘", "é", "👍", "#" * 90, "\n" + " " * 40),
)
FLAGS = ("🇩🇪", "🇫🇷", "🏳\ufe0f\u200d🌈", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f")
COMBINED = ("e\u0301", "a\u0308\u0323", "👍🏽", "1\ufe0f\u20e3", FAMILY, "ก็", "क\u094dषि", *FLAGS)
CONTROL = ("</s>", "<|end|>", "<|im_start|>")

simple_texts = st.lists(st.sampled_from(SIMPLE), max_size=12).map("".join)
any_texts = st.lists(st.sampled_from(SIMPLE + COMBINED + CONTROL) | st.text(max_size=3), max_size=12).map("".join)
lengths = st.integers(0, 40)


class CountingTokenizer(Tokenizer):
    """Counts the characters that it encodes."""

    characters = 0

    def encode(self, text: str, *, at_start: bool = False) -> list[int]:
        self.characters += len(text)
        return super().encode(text, at_start=at_start)


@dataclass(frozen=True)
class Model:
    """A tokenizer, and the same one in its library, which knows where in the text each token is."""

    tokenizer: CountingTokenizer
    library: tokenizers.Tokenizer

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        found: Sequence[tuple[int, int]] = self.library.encode(text, add_special_tokens=False).offsets
        return found


KINDS = ("made", *(("real",) if REAL_FOLDER.is_dir() else ()), "small model")


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A tokenizer like Phi-3's, Phi-3's own if it is there, and the small model's."""
    folder: Path = REAL_FOLDER
    if request.param == "small model":
        folder = request.getfixturevalue("small_model_dir")
    elif request.param == "made":
        folder = write_phi3_tokenizer(tmp_path_factory.mktemp("phi3")).folder
    return open_model(json.loads((folder / "tokenizer.json").read_text(encoding="utf-8")))


def open_model(definition: dict[str, Any]) -> Model:
    plain = {**definition, "added_tokens": [], "post_processor": None}
    return Model(CountingTokenizer(definition), tokenizers.Tokenizer.from_str(json.dumps(plain)))


def longest_beginning(text: str, max_tokens: int, model: Model) -> str:
    """What `shorten` must return for a text of single code points, found by trying every cut."""
    spans = model.spans(text)
    if len(spans) <= max_tokens:
        return text
    ends = [end for (_, end), (start, _) in pairwise(spans[: max_tokens + 1]) if end <= start]
    return next((text[:end] for end in reversed(ends) if len(model.tokenizer.encode(text[:end])) <= max_tokens), "")


@given(text=any_texts, max_tokens=lengths)
def test_the_result_fits_and_ends_with_a_whole_character(model: Model, text: str, max_tokens: int) -> None:
    kept = shorten(text, max_tokens, model.tokenizer)
    assert text.startswith(kept)
    assert len(model.tokenizer.encode(kept)) <= max_tokens
    assert (kept == text) == (len(model.tokenizer.encode(text)) <= max_tokens)
    assert torn_by_cut(text, len(kept)) == 0


@given(clusters=st.lists(st.sampled_from(SIMPLE[:3] + COMBINED), max_size=8), max_tokens=lengths)
def test_flags_joined_emoji_and_letters_with_marks_stay_whole(
    model: Model, clusters: list[str], max_tokens: int
) -> None:
    kept = shorten("".join(clusters), max_tokens, model.tokenizer)
    whole = [piece for cluster in clusters for piece in ([cluster] if cluster in COMBINED else cluster)]
    assert kept in list(accumulate(whole, initial=""))


@given(text=simple_texts, max_tokens=lengths)
def test_the_result_is_as_long_as_its_tokens_allow(model: Model, text: str, max_tokens: int) -> None:
    assert shorten(text, max_tokens, model.tokenizer) == longest_beginning(text, max_tokens, model)


@pytest.mark.parametrize("piece", ["The quick brown fox, 1 + 1.\n", "#", "\n ", "👍", "你好"])
def test_a_long_text_is_not_tokenized_beyond_the_cut(model: Model, piece: str) -> None:
    text = piece * (100_000 // len(piece))
    expected = longest_beginning(text, 300, model)
    model.tokenizer.characters = 0
    assert shorten(text * 10, 300, model.tokenizer) == expected
    assert model.tokenizer.characters < 10 * len(expected) + 20_000


def test_a_joined_emoji_is_left_out_whole(model: Model) -> None:
    text = f"Hello {FAMILY} you"
    for max_tokens in range(len(model.tokenizer.encode(f"Hello {FAMILY}"))):
        assert shorten(text, max_tokens, model.tokenizer) in ("", "He", "Hell", "Hel", "H", "Hello", "Hello ")


def test_a_pile_of_marks_is_cut(model: Model) -> None:
    kept = shorten("a" + "\u0301" * 100_000, 500, model.tokenizer)
    assert len(model.tokenizer.encode(kept)) in range(498, 501)


def test_a_tokenizer_that_composes_characters_does_not_change_them() -> None:
    definition = phi3_definition()
    definition["normalizer"]["normalizers"].insert(0, {"type": "NFC"})
    tokenizer = Tokenizer(definition)
    text = "cafe\u0301 " * 40
    ids = tokenizer.encode(text)
    for max_tokens in range(60, 70):
        kept = shorten(text, max_tokens, tokenizer)
        assert text.startswith(kept)
        assert tokenizer.encode(kept) in (ids[:max_tokens], ids[: max_tokens - 1])


def test_a_beginning_with_more_tokens_alone_is_cut_further() -> None:
    # Before another "l", "'l" is one token; at an end it is two, for only "'ll" is kept in one piece.
    vocabulary = {text: id for id, text in enumerate(["a", "l", "'", "'l"])}
    tokenizer = Tokenizer(
        {
            "version": "1.0",
            "added_tokens": [],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "vocab": vocabulary, "merges": [["'", "l"]]},
        }
    )
    assert tokenizer.encode("aa'll") == [0, 0, 3, 1]
    assert tokenizer.encode("aa'l") == [0, 0, 2, 1]
    assert [shorten("aa'll", most, tokenizer) for most in range(5)] == ["", "a", "aa", "aa", "aa'll"]
