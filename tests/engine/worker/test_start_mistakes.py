"""A mistake in the settings costs one clear line, not a traceback and not a minute."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.interface import EngineOptions
from bot.own_command import install_command
from tests.engine.refused_start import refused_with
from tests.inference_precision import chosen_precision


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["paged", "genai", "optimum"])
def options(request: pytest.FixtureRequest, tiny_model: Path) -> EngineOptions:
    return EngineOptions(request.param, tiny_model, properties=chosen_precision(), cache_gigabytes=1)


@pytest.mark.parametrize("device", ["TPU", "CPU.3", "AUTO:TPU,CPU"])
async def test_an_unknown_device_is_refused_with_the_existing_ones(options: EngineOptions, device: str) -> None:
    line = await refused_with(replace(options, device=device))
    assert "there is no device" in line
    assert "this machine has CPU" in line


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"PERFORMANCE_HIND": "LATENCY"}, "no OpenVINO property 'PERFORMANCE_HIND'; it supports AVAILABLE_DEVICES"),
        ({"PERFORMANCE_HINT": "FASTEST"}, "refuses the property PERFORMANCE_HINT=FASTEST: Wrong value FASTEST"),
    ],
)
async def test_a_wrong_property_is_named(options: EngineOptions, properties: Mapping[str, str], said: str) -> None:
    assert said in await refused_with(replace(options, properties=properties))


async def test_a_folder_without_a_model_is_never_exported(options: EngineOptions, tmp_path: Path) -> None:
    shutil.copy(options.model_dir / "config.json", tmp_path)
    line = await refused_with(replace(options, model_dir=tmp_path))
    assert "has no openvino_model.xml" in line
    assert str(tmp_path) in line
    assert files(tmp_path) == ["config.json"]


async def test_a_config_without_the_context_is_named(options: EngineOptions, tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").touch()
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 3}))
    assert "max_position_embeddings" in await refused_with(replace(options, model_dir=tmp_path))


async def test_a_model_that_the_engine_would_run_wrong_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "mpt"}))
    line = await refused_with(EngineOptions("paged", tmp_path, properties=chosen_precision(), cache_gigabytes=1))
    assert "gives wrong answers with a model of the type mpt; set ENGINE=optimum" in line


async def test_a_broken_model_is_named(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "openvino_model.xml").write_text("<net>")
    line = await refused_with(EngineOptions("paged", tmp_path, cache_gigabytes=1))
    assert f"the model in {tmp_path} does not load" in line


async def test_a_cache_larger_than_memory_is_named(tiny_model: Path) -> None:
    line = await refused_with(EngineOptions("paged", tiny_model, cache_gigabytes=100_000))
    assert "the KV cache that KV_CACHE_GIGABYTES asks for" in line


async def test_an_unknown_engine_is_refused_with_the_known_ones(tiny_model: Path) -> None:
    assert "paged, genai, optimum or openai" in await refused_with(EngineOptions("vllm", tiny_model))


async def test_a_missing_optimum_is_refused_with_the_command_that_installs_it(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "optimum").mkdir()
    (tmp_path / "optimum" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))  # the worker searches the same path, and finds no optimum.intel
    line = await refused_with(EngineOptions("optimum", tiny_model))
    assert install_command("optimum") in line
