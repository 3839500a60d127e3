"""What is said about a DRAFT_MODEL_DIR that holds no usable model."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.model.draft_folder import open_draft_folder
from bot.model.versions import ModelVersions
from bot.own_command import own_command
from tests.model.exported_folder import write_model

MODEL_DIR = Path("model/phi3-instruct/int4")


def line(draft_dir: Path, cause: str, model_dir: Path = MODEL_DIR) -> str:
    again = own_command("export", "--prebuilt-draft", "--output", str(draft_dir), "--draft-for", str(model_dir))
    return f"{cause}; fetch a draft model with `{again}`"


def refusal(draft_dir: Path, model_dir: Path = MODEL_DIR) -> str:
    with pytest.raises(ConfigurationError) as raised:
        open_draft_folder(draft_dir, model_dir)
    return str(raised.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    cause = f"there is no model folder at {draft}"
    assert refusal(draft) == line(draft, cause)
    versions = ModelVersions(tmp_path / "model")
    versions.home.mkdir()
    versions.switch("first")
    assert refusal(draft, versions.folder("first")) == line(draft, cause, versions.home)


def test_an_incomplete_version_is_named(tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "draft")
    folder = write_model(versions.folder("2026-11-28-101500-draft"))
    versions.switch(folder.name)
    assert open_draft_folder(versions.home, MODEL_DIR).path == folder
    (folder / "tokenizer.json").unlink()
    cause = f"the version {folder.name} in {versions.home} is incomplete: tokenizer.json is missing"
    assert refusal(versions.home) == line(versions.home, cause)
