"""A folder without weights: what is read from it, and one clear line for each thing wrong with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

from bot.model.folder import UNKNOWN_CONTEXT_TOKENS
from bot.model.manifest import write_manifest
from bot.model.tokenizer_folder import open_tokenizer_folder
from tests.model.exported_folder import PHI3_CONFIG, error_line, write_json, write_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "phi"
    folder.mkdir()
    write_phi3_tokenizer_files(folder)
    return folder


def test_a_tokenizer_is_enough(folder: Path) -> None:
    model = open_tokenizer_folder(folder)
    assert (model.name, model.version, model.report, model.recipe) == ("phi", None, None, None)
    assert model.context_length == UNKNOWN_CONTEXT_TOKENS
    assert model.vocabulary_size == max(phi3_definition()["model"]["vocab"].values()) + 1
    assert not model.has_weights


def test_a_configuration_says_more(folder: Path) -> None:
    write_json(folder / "config.json", PHI3_CONFIG)
    write_json(folder / "generation_config.json", {"eos_token_id": [32000, 32007]})
    model = open_tokenizer_folder(folder)
    assert (model.context_length, model.vocabulary_size) == (4096, 32064)
    assert model.eos_token_ids == {32000, 32007}


def test_an_exported_model_counts_without_its_weights(tmp_path: Path) -> None:
    exported = write_model(tmp_path / "int4")
    write_phi3_tokenizer_files(exported)
    write_manifest(exported)
    (exported / "openvino_model.bin").unlink()
    assert not open_tokenizer_folder(exported).has_weights


def test_a_changed_tokenizer_of_an_export_is_refused(tmp_path: Path) -> None:
    exported = write_model(tmp_path / "int4")
    write_phi3_tokenizer_files(exported)
    write_manifest(exported)
    text = (exported / "tokenizer.json").read_text()
    (exported / "tokenizer.json").write_text(text.replace("{", "[", 1))
    assert "tokenizer.json has changed" in error_line(exported, open_tokenizer_folder)


def test_a_folder_without_a_tokenizer_is_refused_with_the_way_out(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    line = error_line(folder, open_tokenizer_folder)
    assert f"{folder} has no tokenizer.json; copy tokenizer.json, tokenizer_config.json and config.json" in line


@pytest.mark.parametrize(
    ("name", "content"),
    [("tokenizer.json", "{}"), ("tokenizer.json", "["), ("config.json", "[]"), ("manifest.json", "{}")],
)
def test_a_damaged_file_is_named(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    line = error_line(folder, open_tokenizer_folder)
    assert "is damaged" in line
    assert name in line


def test_a_missing_folder_is_refused(folder: Path) -> None:
    shutil.rmtree(folder)
    assert "there is no model folder at" in error_line(folder, open_tokenizer_folder)
