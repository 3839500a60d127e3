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


def line(draft_dir: Path, cause: str) -> str:
    again = own_command("export", "--prebuilt-draft", "--output", str(draft_dir), "--draft-for", str(MODEL_DIR))
    return f"DRAFT_MODEL_DIR: {cause}; fetch a draft model with `{again}`, or leave DRAFT_MODEL_DIR out"


def refusal(draft_dir: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        open_draft_folder(draft_dir, MODEL_DIR)
    return str(raised.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    assert refusal(draft) == line(draft, f"there is no model folder at {draft}")


def test_an_incomplete_version_is_named(tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "draft")
    folder = write_model(versions.folder("2026-11-28-101500-draft"))
    versions.switch(folder.name)
    assert open_draft_folder(versions.home, MODEL_DIR).path == folder
    (folder / "tokenizer.json").unlink()
    cause = f"the version {folder.name} in {versions.home} is incomplete: tokenizer.json is missing"
    assert refusal(versions.home) == line(versions.home, cause)
