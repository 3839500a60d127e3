"""What a version sets for a processor applies in every engine, below what the operator sets."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.version_properties import with_version_properties
from bot.model.device_properties import FILE_NAME, write_device_properties
from tests.engine.refused_start import refused_with
from tests.inference_precision import chosen_precision

GROUP = "DYNAMIC_QUANTIZATION_GROUP_SIZE"


@pytest.fixture
def options(tiny_model: Path, tmp_path: Path) -> EngineOptions:
    """An engine for a version that sets a group size."""
    folder = tmp_path / "version"
    shutil.copytree(tiny_model, folder)
    write_device_properties(folder, {GROUP: "128"})
    return EngineOptions("paged", folder, properties=chosen_precision(), cache_gigabytes=1)


async def loaded_with(options: EngineOptions) -> str | None:
    """The group size with which an engine loads its model; None is OpenVINO's own."""
    engine = EngineSupervisor(options)
    try:
        return (await engine.start()).properties.get(GROUP)
    finally:
        await engine.close()


@pytest.mark.parametrize("engine", ["paged", "genai", "optimum"])
async def test_an_engine_loads_with_what_the_version_sets(options: EngineOptions, engine: str) -> None:
    assert await loaded_with(replace(options, engine=engine)) == "128"


async def test_the_operators_value_wins(options: EngineOptions) -> None:
    assert await loaded_with(replace(options, properties={**options.properties, GROUP: "64"})) == "64"


async def test_a_damaged_file_is_refused_with_one_line(options: EngineOptions) -> None:
    (options.model_dir / FILE_NAME).write_text(json.dumps({"CPU": {"CACHE_DIR": "/etc"}}), encoding="utf-8")
    line = await refused_with(options)
    assert f"{options.model_dir} cannot be used: {FILE_NAME} sets 'CACHE_DIR'" in line
    assert "export the model again, or go back" in line


def test_precedence(tmp_path: Path) -> None:
    assert with_version_properties(tmp_path, "CPU", {"NUM_STREAMS": "1"}) == {"NUM_STREAMS": "1"}
    write_device_properties(tmp_path, {GROUP: "128"})
    assert with_version_properties(tmp_path, "CPU", {"NUM_STREAMS": "1"}) == {"NUM_STREAMS": "1", GROUP: "128"}
    assert with_version_properties(tmp_path, "CPU", {GROUP: "0"}) == {GROUP: "0"}


@pytest.mark.parametrize("device", ["GPU", "GPU.0", "NPU", "AUTO", "HETERO:CPU"])
def test_other_devices_ignore_what_is_for_a_processor(tmp_path: Path, device: str) -> None:
    write_device_properties(tmp_path, {GROUP: "128"})
    assert with_version_properties(tmp_path, device, {}) == {}


def test_who_asks_for_accuracy_gets_no_dynamic_quantization(tmp_path: Path) -> None:
    write_device_properties(tmp_path, {GROUP: "128"})
    accuracy = {"EXECUTION_MODE_HINT": "ACCURACY"}
    assert with_version_properties(tmp_path, "CPU", accuracy) == accuracy
    assert with_version_properties(tmp_path, "CPU", accuracy | {GROUP: "64"}) == accuracy | {GROUP: "64"}
