"""Inference and KV cache precision: the default, what the device reports, and which settings exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import openvino
import pytest

from bot.engine.interface import EngineOptions
from bot.engine.worker.devices import inference_precision
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.precision import cache_precisions, check_cache_precision, with_default_precision
from bot.errors import ConfigurationError
from tests.engine.refused_start import refused_with

F32, BF16, F16 = ({"INFERENCE_PRECISION_HINT": each} for each in ("f32", "bf16", "f16"))
ACCURACY = {"EXECUTION_MODE_HINT": "ACCURACY"}


def cache(common: str = "", **own: str) -> dict[str, str]:
    properties = {f"{name.upper()}_CACHE_PRECISION": precision for name, precision in own.items()}
    return properties | ({"KV_CACHE_PRECISION": common} if common else {})


def test_a_processor_computes_in_f32_unless_told_otherwise() -> None:
    assert with_default_precision("CPU", {"NUM_STREAMS": "1"}) == F32 | {"NUM_STREAMS": "1"}
    assert with_default_precision("CPU", BF16) == BF16


@pytest.mark.parametrize("device", ["GPU", "GPU.0", "NPU", "AUTO", "AUTO:GPU,CPU", "HETERO:CPU"])
def test_other_devices_keep_their_own_default(device: str) -> None:
    assert with_default_precision(device, {}) == {}


def test_the_device_reports_its_precision() -> None:
    core = openvino.Core()
    assert inference_precision(core, "CPU", F32) == "f32"
    own = core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    assert inference_precision(core, "CPU", {}) == own
    assert inference_precision(core, "CPU", BF16) == ("bf16" if own == "bf16" else "f32")
    assert inference_precision(core, "AUTO", {}) == "", "it stands for other devices"


def test_the_loaded_model_computes_in_the_reported_precision(tiny_model: Path) -> None:
    for properties in (F32, BF16):
        compiled = PagedModel(tiny_model, "CPU", properties, 2)._request.get_compiled_model()
        in_effect = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        assert in_effect == inference_precision(openvino.Core(), "CPU", properties)


@pytest.mark.parametrize(
    "properties",
    [
        F32,
        F32 | cache("f32"),
        F32 | cache("bf16"),
        F32 | cache("f16"),
        F32 | cache("u8", key="f32"),
        F32 | cache("u8", value="f32"),
        F32 | cache("f32", key="u8", value="u8"),
        BF16,
        BF16 | cache("f32"),
        BF16 | cache("bf16"),
        BF16 | cache("u4"),
        BF16 | cache("f32", key="bf16", value="bf16"),
        F16,
        F16 | cache("f32"),
        F16 | cache("bf16"),
        F16 | cache("U8"),
        ACCURACY,
        ACCURACY | cache("u8"),
        ACCURACY | BF16,
        ACCURACY | BF16 | cache(key="u8", value="u8"),
        {"INFERENCE_PRECISION_HINT": "undefined"} | cache("f32"),
        {"INFERENCE_PRECISION_HINT": "undefined"} | cache("bf16"),
        cache("f32"),
        cache("bf16"),
    ],
    ids=str,
)
def test_what_is_refused_is_what_openvino_refuses(tiny_model: Path, properties: Mapping[str, str]) -> None:
    try:
        check_cache_precision(tiny_model, properties, inference_precision(openvino.Core(), "CPU", properties))
        refused = False
    except ConfigurationError:
        refused = True
    try:
        PagedModel(tiny_model, "CPU", properties, 2).advance([Advance(range(3, 43), 0, [0, 1])])
        fails = False
    except RuntimeError:
        fails = True
    assert refused == fails


@pytest.mark.parametrize(
    ("properties", "inference", "line"),
    [
        (
            F32 | cache("bf16"),
            "f32",
            "KV_CACHE_PRECISION=bf16 and INFERENCE_PRECISION_HINT=f32 exclude each other: "
            "with f32 inference the KV cache can be f32, f16, u8 or u4; change one in DEVICE_PROPERTIES",
        ),
        (
            BF16 | cache("f32"),
            "bf16",
            "KV_CACHE_PRECISION=f32 and INFERENCE_PRECISION_HINT=bf16 exclude each other: "
            "with bf16 inference the KV cache can be bf16, f16, u8 or u4; change one in DEVICE_PROPERTIES",
        ),
        (
            BF16 | ACCURACY,
            "bf16",
            "EXECUTION_MODE_HINT=ACCURACY (a KV cache of f32) and INFERENCE_PRECISION_HINT=bf16 exclude each other: "
            "with bf16 inference the KV cache can be bf16, f16, u8 or u4; change one in DEVICE_PROPERTIES",
        ),
        (
            F32 | cache("u8", key="f32"),
            "f32",
            "KEY_CACHE_PRECISION=f32 and KV_CACHE_PRECISION=u8 exclude each other: "
            "keys and values are either both compressed (u8, u4) or both not; change one in DEVICE_PROPERTIES",
        ),
        (
            F32 | cache(value="u8"),
            "f32",
            "the model's own KV_CACHE_PRECISION=f16 and VALUE_CACHE_PRECISION=u8 exclude each other: "
            "keys and values are either both compressed (u8, u4) or both not; change one in DEVICE_PROPERTIES",
        ),
    ],
)
def test_settings_that_exclude_each_other_are_named(
    tiny_model: Path, properties: Mapping[str, str], inference: str, line: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_cache_precision(tiny_model, properties, inference)
    assert str(refused.value) == line


def test_an_unknown_cache_precision_is_named(tiny_model: Path) -> None:
    with pytest.raises(ConfigurationError, match="the KV cache cannot be stored as u3"):
        cache_precisions(tiny_model, cache("u3"))


@pytest.mark.parametrize("engine", ["paged", "genai"])
async def test_an_engine_with_settings_that_exclude_each_other_does_not_start(tiny_model: Path, engine: str) -> None:
    options = EngineOptions(engine, tiny_model, properties=cache("bf16"), cache_gigabytes=1)
    assert "KV_CACHE_PRECISION=bf16 and INFERENCE_PRECISION_HINT=f32 exclude each other" in await refused_with(options)
