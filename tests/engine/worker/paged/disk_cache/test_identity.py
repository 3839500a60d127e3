"""Engines share stored blocks only if all that these depend on is the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.engine.interface import EngineOptions
from bot.engine.worker.paged.disk_cache.identity import cache_identity
from bot.model.manifest import write_manifest

LAYOUT = ("key_cache.0 u8", "value_cache.0 u8")
DRAFT_LAYOUT = (*LAYOUT, "key_cache.0 f16", "value_cache.0 f16")


def folder_with(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(weights)
    return folder


@pytest.fixture
def options(tmp_path: Path) -> EngineOptions:
    draft = folder_with(tmp_path / "draft", b"small")
    return EngineOptions("paged", folder_with(tmp_path / "model", b"large"), draft_model_dir=draft)


def identity(options: EngineOptions, layout: Sequence[str] = DRAFT_LAYOUT, **changes: Any) -> str:
    return cache_identity(replace(options, **changes), "processor", "f32", layout)


def test_equal_files_elsewhere_have_the_same_identity(options: EngineOptions, tmp_path: Path) -> None:
    model, draft = folder_with(tmp_path / "model 2", b"large"), folder_with(tmp_path / "draft 2", b"small")
    assert identity(options, model_dir=model, draft_model_dir=draft) == identity(options)
    write_manifest(draft)
    assert identity(options, draft_model_dir=draft) == identity(options)


def test_the_draft_model_counts(options: EngineOptions, tmp_path: Path) -> None:
    other = folder_with(tmp_path / "other", b"SMALL")
    assert options.draft_model_dir is not None
    exchanged = identity(options, model_dir=options.draft_model_dir, draft_model_dir=options.model_dir)
    others = [
        identity(options),
        identity(options, draft_model_dir=other),
        identity(options, LAYOUT, draft_model_dir=None),
        exchanged,
    ]
    assert len(set(others)) == len(others)
