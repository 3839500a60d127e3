"""The judge notices what the engine paged computes wrong, also beyond LongRoPE's original context."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_models.architectures import ORIGINAL_CONTEXT, VOCABULARY, checkpoint_of, write_architectures

from bot.errors import ConfigurationError
from bot.export.paged_check import check_long_context, check_paged_attention, describe_context
from bot.model.report import Finding
from tests.shared_folder import shared_folder

IDS = random.Random(0).choices(range(3, VOCABULARY), k=300)
PLENTY = 10**12
BORDER = "4,096 tokens; LongRoPE's factors change beyond 512, "


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the models, by name."""
    names = ("phi4-mini", "gpt-neo", "mistral")
    return shared_folder(tmp_path_factory, "judged-architectures", lambda folder: write_architectures(folder, names))


def long_context(exported: Path, source: Path | None, work: Path, **options: Any) -> Finding:
    usual: dict[str, Any] = {"memory_bytes": PLENTY, "perplexity_limit": 3.0}
    return check_long_context(
        exported, source, ids=IDS, work=work, trust_remote_code=False, say=lambda line: None, **{**usual, **options}
    )


def with_other_long_factors(checkpoint: Path, folder: Path) -> Path:
    """Copy a checkpoint, and change what is read beyond the original context."""
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rope = config["rope_parameters"]
    rope["long_factor"] = rope["long_factor"][::-1]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["mistral", "phi4-mini"])
def test_paged_attention_that_computes_what_the_graph_does(name: str, models: Path, tmp_path: Path) -> None:
    finding = check_paged_attention(models / name, IDS, tmp_path, lambda line: None)
    assert finding.verdict == "good"
    assert finding.detail == "predicts the same token as the model's own graph in 100% of 64 positions"


def test_an_attention_that_paged_attention_does_not_know_is_refused(models: Path, tmp_path: Path) -> None:
    line = "the engine paged predicts the same token as the model's own graph in .*%.*; choose another model"
    with pytest.raises(ConfigurationError, match=line):
        check_paged_attention(models / "gpt-neo", IDS, tmp_path, lambda line: None)


def test_a_model_is_compared_with_its_source_beyond_the_original_context(models: Path, tmp_path: Path) -> None:
    model = models / "phi4-mini"
    finding = long_context(model, checkpoint_of(model), tmp_path)
    assert finding.verdict == "good"
    assert finding.detail.startswith(BORDER)
    assert "beyond that the same token as its source in 9" in finding.detail.replace("100%", "99%")
    other = with_other_long_factors(checkpoint_of(model), tmp_path / "other")
    assert long_context(model, other, tmp_path, perplexity_limit=1e9).verdict == "noted"
    with pytest.raises(ConfigurationError, match="LongRoPE's original context is 512 tokens, and beyond "):
        long_context(model, other, tmp_path, perplexity_limit=0.0)


def test_what_is_not_compared_is_told(models: Path, tmp_path: Path) -> None:
    model = models / "phi4-mini"
    finding = long_context(model, checkpoint_of(model), tmp_path, memory_bytes=1000)
    assert finding.verdict == "skipped"
    assert finding.detail.startswith(BORDER)
    assert "its source checkpoint needs about 0.7" in finding.detail
    assert describe_context(model, "--no-quality").detail.endswith(
        "not compared with its source beyond that: --no-quality"
    )


def test_a_model_without_longrope(models: Path, tmp_path: Path) -> None:
    finding = long_context(models / "mistral", None, tmp_path)
    assert (finding.verdict, finding.detail) == ("good", "4,096 tokens")
    assert ORIGINAL_CONTEXT < 4096
