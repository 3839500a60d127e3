"""Whether two models' ids stand for the same texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

from bot.errors import ConfigurationError
from bot.model.same_tokenizer import first_difference
from bot.model.versions import ModelVersions
from tests.malformed_json import CONTENTS, VALUES

Definition = dict[str, Any]
UNIGRAM: Definition = {"added_tokens": [], "model": {"vocab": [["<unk>", 0.0], ["a", -1.5]]}}
USER = next(each["id"] for each in phi3_definition()["added_tokens"] if each["content"] == "<|user|>")
LINE_BREAKS = r"\n" * 40


def folder_with(folder: Path, definition: object) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return folder_with(tmp_path / "model", phi3_definition())


def test_equal_tokenizers_have_no_difference(model: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    write_phi3_tokenizer_files(draft)
    assert first_difference(model, draft) is None


def _drop(definition: Definition) -> None:
    definition["added_tokens"] = [each for each in definition["added_tokens"] if each["id"] != USER]
    del definition["model"]["vocab"]["<|user|>"]


def _swap(definition: Definition) -> None:
    vocabulary = definition["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]


def _rename_added(definition: Definition) -> None:
    definition["added_tokens"][-1]["content"] = "<|human|>"


def _add(definition: Definition) -> None:
    definition["added_tokens"].append({**definition["added_tokens"][-1], "id": USER + 1, "content": "\n" * 100})


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (_swap, "the id {a} is 'a' in the model and 'b' in the draft model"),
        (_drop, f"the id {USER} is '<|user|>' in the model and no token in the draft model"),
        (_rename_added, f"the id {USER} is '<|user|>' in the model and '<|human|>' in the draft model"),
        (_add, f"the id {USER + 1} is no token in the model and '{LINE_BREAKS}…' in the draft model"),
    ],
)
def test_the_lowest_id_that_differs_is_named(
    model: Path, tmp_path: Path, change: Callable[[Definition], None], difference: str
) -> None:
    definition = phi3_definition()
    a = definition["model"]["vocab"]["a"]
    change(definition)
    draft = folder_with(tmp_path / "draft", definition)
    assert first_difference(model, draft) == difference.replace("{a}", str(a))
    assert first_difference(draft, draft) is None


def test_what_does_not_change_an_id_is_no_difference(model: Path, tmp_path: Path) -> None:
    definition = phi3_definition()
    definition["model"]["merges"] = []
    definition["normalizer"] = None
    definition["added_tokens"][-1]["special"] = False
    assert first_difference(model, folder_with(tmp_path / "draft", definition)) is None


def test_kinds_of_tokenizers_compare(model: Path, tmp_path: Path) -> None:
    words = folder_with(tmp_path / "words", {"model": {"vocab": {"a": 1, "<unk>": 0}}, "added_tokens": None})
    unigram = folder_with(tmp_path / "unigram", UNIGRAM)
    assert first_difference(unigram, words) is None
    assert first_difference(model, unigram) == "the id 1 is '<s>' in the model and 'a' in the draft model"


def test_of_a_folder_with_versions_the_current_one_counts(model: Path, tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    folder_with(versions.folder("old"), UNIGRAM)
    folder_with(versions.folder("new"), phi3_definition())
    versions.switch("old")
    assert first_difference(model, versions.home) is not None
    versions.switch("new")
    assert first_difference(model, versions.home) is None


def refusal(model: Path, draft: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        first_difference(model, draft)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith("the tokenizers cannot be compared: ")
    return line


def test_a_missing_tokenizer_is_named(model: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    path = draft / "tokenizer.json"
    assert f"{path} cannot be read: No such file or directory; choose a model that has a" in refusal(model, draft)
    path.mkdir()
    assert f"{path} cannot be read: not a regular file" in refusal(draft, model)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_damaged_tokenizer_is_named(model: Path, tmp_path: Path, content: bytes) -> None:
    draft = folder_with(tmp_path / "draft", {})
    (draft / "tokenizer.json").write_bytes(content)
    assert str(draft) in refusal(model, draft)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(vocabulary=VALUES, added=VALUES | st.lists(VALUES, max_size=2))
def test_whatever_the_vocabulary_holds_there_is_one_line(
    model: Path, tmp_path: Path, vocabulary: object, added: object
) -> None:
    draft = folder_with(tmp_path / "draft", {"model": {"vocab": vocabulary}, "added_tokens": added})
    try:
        difference = first_difference(model, draft)
    except ConfigurationError:
        refusal(model, draft)
    else:
        assert difference is not None
        assert difference.isprintable()
