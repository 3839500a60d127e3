from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bot.export.corpus import READING_TEXT, TOKENIZER_TEXTS
from tests.phi3_tokenizer import REAL_FOLDER, open_phi3_tokenizer, phi3_definition, write_phi3_tokenizer

Definition = dict[str, Any]


def _rstrip_is_missing(definition: Definition) -> None:
    for token in definition["added_tokens"]:
        token["rstrip"] = False


def _a_control_token_is_missing(definition: Definition) -> None:
    definition["added_tokens"] = [each for each in definition["added_tokens"] if each["content"] != "<|placeholder6|>"]


def _a_control_token_is_only_a_word(definition: Definition) -> None:
    for token in definition["added_tokens"]:
        token["single_word"] = True


def _no_space_is_put_first(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].pop(0)


def _spaces_are_stripped(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "Strip", "strip_left": False, "strip_right": True})


def _double_spaces_are_joined(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "Replace", "pattern": {"Regex": "  +"}, "content": " "})


def _characters_are_composed(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "NFC"})


def _compatible_characters_are_merged(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "NFKC"})


def _letters_are_lowered(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "Lowercase"})


def _carriage_returns_are_dropped(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(0, {"type": "Replace", "pattern": {"String": "\r"}, "content": ""})


def _joiners_are_dropped(definition: Definition) -> None:
    definition["normalizer"]["normalizers"].insert(
        0, {"type": "Replace", "pattern": {"String": "\u200d"}, "content": ""}
    )


def _bytes_are_unknown(definition: Definition) -> None:
    definition["model"]["byte_fallback"] = False


def _a_start_token_is_added(definition: Definition) -> None:
    definition["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }


def _words_are_cut_at_spaces(definition: Definition) -> None:
    definition["pre_tokenizer"] = {"type": "Split", "pattern": {"String": "▁"}, "behavior": "Isolated", "invert": False}


def _a_merge_is_missing(definition: Definition) -> None:
    definition["model"]["merges"].remove(["▁Hell", "o"])


@pytest.mark.parametrize(
    "breakage",
    [
        _rstrip_is_missing,
        _a_control_token_is_missing,
        _a_control_token_is_only_a_word,
        _no_space_is_put_first,
        _spaces_are_stripped,
        _double_spaces_are_joined,
        _characters_are_composed,
        _compatible_characters_are_merged,
        _letters_are_lowered,
        _carriage_returns_are_dropped,
        _joiners_are_dropped,
        _bytes_are_unknown,
        _a_start_token_is_added,
        _words_are_cut_at_spaces,
        _a_merge_is_missing,
    ],
)
def test_the_texts_detect_a_broken_tokenizer(breakage: Callable[[Definition], None], tmp_path: Path) -> None:
    definition = copy.deepcopy(phi3_definition())
    breakage(definition)
    right_folder, wrong_folder = tmp_path / "right", tmp_path / "wrong"
    right_folder.mkdir()
    wrong_folder.mkdir()
    right, wrong = write_phi3_tokenizer(right_folder).raw, write_phi3_tokenizer(wrong_folder, **definition).raw
    assert _encode_all(right) != _encode_all(wrong)


def test_there_are_many_valid_distinct_texts() -> None:
    assert len(TOKENIZER_TEXTS) > 60
    assert len(set(TOKENIZER_TEXTS)) == len(TOKENIZER_TEXTS)
    assert [text.encode().decode() for text in TOKENIZER_TEXTS] == list(TOKENIZER_TEXTS)


def test_the_reading_text_is_longer_than_a_window() -> None:
    words = len(READING_TEXT.split())
    assert 400 < words < 600
    assert READING_TEXT.endswith("\n")


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason="Phi-3's own tokenizer is not beside the project")
def test_phi3_splits_the_reading_text_into_700_tokens_and_no_control_token() -> None:
    ids = open_phi3_tokenizer(REAL_FOLDER).raw.encode(READING_TEXT, add_special_tokens=False).ids
    assert 600 <= len(ids) <= 710
    assert max(ids) < 32000


def _encode_all(tokenizer: tokenizers.Tokenizer) -> list[list[int]]:
    return [tokenizer.encode(text).ids for text in TOKENIZER_TEXTS]
