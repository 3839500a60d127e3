"""What a model is loaded with: the operator's properties, the version's own, and the engine's defaults."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.precision import KEY_SCALES_PROPERTY, OWN_SCALES, tokens_share_scales
from bot.model.device_properties import FILE_NAME, write_device_properties
from tests.engine.conftest import collect, request
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


def without_defaults(folder: Path, properties: dict[str, str]) -> dict[str, str]:
    """What `genai` is loaded with on a processor, without the default precision of inference."""
    chosen = loading_properties("genai", "CPU", folder, properties)
    assert chosen.pop("INFERENCE_PRECISION_HINT") == "f32"
    return chosen


def test_precedence(tmp_path: Path) -> None:
    assert without_defaults(tmp_path, {"NUM_STREAMS": "1"}) == {"NUM_STREAMS": "1"}
    write_device_properties(tmp_path, {GROUP: "128"})
    assert without_defaults(tmp_path, {"NUM_STREAMS": "1"}) == {"NUM_STREAMS": "1", GROUP: "128"}
    assert without_defaults(tmp_path, {GROUP: "0"}) == {GROUP: "0"}


@pytest.mark.parametrize("device", ["GPU", "GPU.0", "NPU", "AUTO", "HETERO:CPU"])
def test_other_devices_ignore_what_is_for_a_processor(tmp_path: Path, device: str) -> None:
    write_device_properties(tmp_path, {GROUP: "128"})
    assert loading_properties("paged", device, tmp_path, {}) == {}


def test_who_asks_for_accuracy_gets_no_dynamic_quantization(tmp_path: Path) -> None:
    write_device_properties(tmp_path, {GROUP: "128"})
    accuracy = {"EXECUTION_MODE_HINT": "ACCURACY"}
    assert without_defaults(tmp_path, accuracy) == accuracy
    assert without_defaults(tmp_path, accuracy | {GROUP: "64"}) == accuracy | {GROUP: "64"}


@pytest.mark.parametrize(
    ("chosen", "scales", "shared"),
    [
        ({"KV_CACHE_PRECISION": "u8"}, OWN_SCALES, False),
        ({"KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: "BY_CHANNEL"}, "BY_CHANNEL", True),
        ({"KV_CACHE_PRECISION": "u4"}, None, True),
        ({"KEY_CACHE_PRECISION": "u4", "VALUE_CACHE_PRECISION": "u8"}, None, True),
        ({"KV_CACHE_PRECISION": "u4", KEY_SCALES_PROPERTY: OWN_SCALES}, OWN_SCALES, False),
        ({"KV_CACHE_PRECISION": "f32"}, None, False),
    ],
)
def test_keys_of_eight_bits_have_a_scale_for_each_token(
    tiny_model: Path, chosen: dict[str, str], scales: str | None, shared: bool
) -> None:
    properties = loading_properties("paged", "CPU", tiny_model, chosen)
    assert properties.get(KEY_SCALES_PROPERTY) == scales
    assert tokens_share_scales(tiny_model, properties) is shared
    assert loading_properties("genai", "CPU", tiny_model, chosen).get(KEY_SCALES_PROPERTY) == chosen.get(
        KEY_SCALES_PROPERTY
    )


@pytest.mark.parametrize(("tokens", "told"), [(8, True), (0, False)])
async def test_drafts_are_off_where_tokens_share_scales(
    tiny_model: Path, caplog: pytest.LogCaptureFixture, tokens: int, told: bool
) -> None:
    shared = {**chosen_precision(), "KV_CACHE_PRECISION": "u8", KEY_SCALES_PROPERTY: "BY_CHANNEL"}
    options = EngineOptions("paged", tiny_model, properties=shared, cache_gigabytes=1, draft_tokens=tokens)
    engine = EngineSupervisor(options)
    try:
        await engine.start()
        await collect(engine.submit(request(1, 2, 3, limit=2)))  # whatever the start had to say came before
        lines = [line for line in caplog.messages if "Drafts are off" in line]
        assert len(lines) == told
    finally:
        await engine.close()
