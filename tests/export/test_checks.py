"""What an export takes, compared with what the machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.engine.worker.memory_limit import UsableMemory
from bot.errors import ConfigurationError
from bot.export import checks
from bot.export.checkpoint import Checkpoint
from bot.export.checks import Plan, describe_plan, plan_export, require_packages, require_room
from bot.export.recipe import PRESETS, SAMPLE, Recipe
from bot.model.config import ModelConfig

PHI3 = Checkpoint(
    "microsoft/Phi-3-mini-4k-instruct",
    ModelConfig.from_document({"vocab_size": 32064, "hidden_size": 3072, "tie_word_embeddings": False}),
    7_642_181_896,
    3_821_079_552,
)
PHI3_PEAK_BYTES = 10_865_804 * 1024
"""Measured: an export of a full-size Phi-3-mini in the sample's recipe, with /usr/bin/time -v."""

PLENTY = UsableMemory(1 << 50, "a test")
in_memory = pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no disk in memory here")


def test_what_phi3_takes_is_known() -> None:
    plan = plan_export(PHI3, SAMPLE, 7_650_000_000)
    assert plan.memory == pytest.approx(PHI3_PEAK_BYTES, rel=0.05)
    assert plan.copy == 2 * PHI3.parameters
    assert plan.disk == plan.download + plan.copy + plan.result
    assert plan_export(PHI3, PRESETS["fp16"], 0).copy == 0, "nothing is compressed"


def test_too_little_memory(tmp_path: Path) -> None:
    plan = plan_export(PHI3, SAMPLE, 0)
    line = r"needs about 1\d\.\d+ GB of memory, and 8\.00 GB is available \(a test\)"
    with pytest.raises(ConfigurationError, match=line):
        require_room(plan, tmp_path, UsableMemory(8_000_000_000, "a test"))


def test_too_little_disk(tmp_path: Path) -> None:
    plan = Plan(1 << 60, 0, 0, 0, 0)
    with pytest.raises(ConfigurationError, match="--prune removes old versions"):
        require_room(plan, tmp_path / "not" / "there" / "yet", PLENTY)


@in_memory
def test_a_disk_in_memory_counts_as_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = Plan(0, 10_000, 10_000, 10_000, 0)
    shm = Path("/dev/shm/not-there")
    require_room(plan, tmp_path, UsableMemory(20_000, "a test"))
    with pytest.raises(ConfigurationError, match="of memory"):
        require_room(plan, shm, UsableMemory(20_000, "a test"))
    assert describe_plan(plan, shm)[-1] == f"Note: {shm} is in memory (tmpfs), so files there count as memory."
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/dev/shm")
    note = describe_plan(plan, tmp_path)[-1]
    assert note == "Note: /dev/shm is in memory (tmpfs), so the 16-bit copy goes next to the result instead."
    assert not any(line.startswith("Note") for line in describe_plan(Plan(1, 0, 0, 0, 0), tmp_path))


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages(SAMPLE)
    with pytest.raises(
        ConfigurationError, match=r"wikitext2 needs the package datasets; run `.* -m pip install datasets`"
    ):
        require_packages(Recipe("r", "int4", dataset="wikitext2"))
    require_packages(Recipe("r", "int4", dataset="auto"))
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(ConfigurationError, match=r"exporting needs torch, which is not installed; .* --prebuilt"):
        require_packages(SAMPLE)
