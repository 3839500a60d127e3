"""The size of the KV cache, compared with what OpenVINO really takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.engine.worker.cache_budget import CacheShape, ModelMemory, cache_precision, memory_without_cache, plan_blocks
from bot.engine.worker.memory_limit import UsableMemory
from bot.engine.worker.paged.model import PagedModel
from bot.engine.worker.precision import with_default_precision
from bot.errors import ConfigurationError, ModelDoesNotFitError
from tests.inference_precision import chosen_precision
from tests.small_model import small_model_dir

__all__ = ["small_model_dir"]

GB = 1_000_000_000
PHI_3 = ModelMemory(CacheShape(layers=32, key_value_heads=32, head_size=96), 7_340_032, 2_772_549_977)
DRAFT = ModelMemory(CacheShape(layers=4, key_value_heads=8, head_size=64), 155_648, 100_000_000)
BLOCKS = 8
BF16 = {"INFERENCE_PRECISION_HINT": "bf16"}


def compressed(model_dir: Path, folder: Path) -> Path:
    """Copy a model without the exporter's mark, which a model with compressed weights does not have."""
    shutil.copytree(model_dir, folder)
    xml = folder / "openvino_model.xml"
    xml.write_text(re.sub(r'\s*<KV_CACHE_PRECISION value="f16" />', "", xml.read_text()))
    return folder


@pytest.mark.parametrize(
    "properties",
    [
        {},
        BF16,
        {"KV_CACHE_PRECISION": "u8"},
        {"KV_CACHE_PRECISION": "u4"},
        {"KV_CACHE_PRECISION": "U8"},
        {"KV_CACHE_PRECISION": "f32"},
        {"EXECUTION_MODE_HINT": "ACCURACY"},
        {"EXECUTION_MODE_HINT": "ACCURACY", "KV_CACHE_PRECISION": "u8"},
        {"KV_CACHE_PRECISION": "f32", "KEY_CACHE_PRECISION": "u8", "VALUE_CACHE_PRECISION": "u8"},
        {"KV_CACHE_PRECISION": "u8", "KEY_CACHE_QUANT_MODE": "BY_CHANNEL"},
        {"KV_CACHE_PRECISION": "u8", "KEY_CACHE_QUANT_MODE": "BY_TOKEN"},
        {"KV_CACHE_PRECISION": "u4", "KEY_CACHE_QUANT_MODE": "BY_TOKEN"},
        {"KV_CACHE_PRECISION": "f16", "KEY_CACHE_QUANT_MODE": "BY_TOKEN"},
    ],
)
def test_a_block_is_as_large_as_openvino_makes_it(tiny_model: Path, properties: Mapping[str, str]) -> None:
    pinned = with_default_precision("CPU", properties)
    real = PagedModel(tiny_model, "CPU", pinned, BLOCKS).cache_bytes / BLOCKS
    assert ModelMemory.read(tiny_model, pinned).block_bytes == real


def test_a_compressed_models_cache_is_compressed_too(tiny_model: Path, tmp_path: Path) -> None:
    folder = compressed(tiny_model, tmp_path / "compressed")
    real = PagedModel(folder, "CPU", chosen_precision(), BLOCKS).cache_bytes / BLOCKS
    assert ModelMemory.read(folder, {}).block_bytes == real
    assert cache_precision(folder, {}) != cache_precision(tiny_model, {})


def test_the_larger_of_different_key_and_value_precisions_counts(tiny_model: Path) -> None:
    properties = {"KV_CACHE_PRECISION": "u8", "VALUE_CACHE_PRECISION": "u4"} | chosen_precision()
    real = PagedModel(tiny_model, "CPU", properties, BLOCKS).cache_bytes / BLOCKS
    assert real < ModelMemory.read(tiny_model, properties).block_bytes < 1.5 * real


MEASURE = """
import json, sys
from pathlib import Path
import psutil
from bot.engine.worker.paged.model import Advance, PagedModel
model = PagedModel(Path(sys.argv[1]), "CPU", json.loads(sys.argv[2]), 8)
model.advance([Advance(list(range(3, 67)), 0, [0, 1])])
taken = psutil.Process().memory_info()
print(model.cache_bytes, taken.rss - getattr(taken, "shared", 0))
"""


def test_the_estimates_hold_for_a_real_model(small_model_dir: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(small_model_dir), json.dumps(chosen_precision())]
    child = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    cache, own = (int(number) for number in child.stdout.split())
    model = ModelMemory.read(small_model_dir, {})
    assert model.block_bytes * 8 == cache
    estimate = memory_without_cache([model], 64)
    assert own < estimate < own + 0.5 * GB


def config(folder: Path, **values: Any) -> Path:
    whole = {"num_hidden_layers": 2, "num_attention_heads": 8, "hidden_size": 64} | values
    (folder / "config.json").write_text(json.dumps({name: value for name, value in whole.items() if value != ""}))
    return folder


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ({}, CacheShape(2, 8, 8)),
        ({"num_key_value_heads": 4, "head_dim": 16}, CacheShape(2, 4, 16)),
        ({"num_key_value_heads": None, "head_dim": None}, CacheShape(2, 8, 8)),
    ],
)
def test_the_shape_is_read_from_the_folder(tmp_path: Path, values: dict[str, Any], shape: CacheShape) -> None:
    assert CacheShape.read(config(tmp_path, **values)) == shape


@pytest.mark.parametrize("values", [{"num_hidden_layers": ""}, {"hidden_size": None}, {"num_attention_heads": 0}])
def test_a_folder_without_a_shape_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^.*config\.json does not give num_hidden_layers.*export.*again$"):
        CacheShape.read(config(tmp_path, **values))


def plan(usable: float, *models: ModelMemory, wanted: float | None = None, context: int = 4096, batch: int = 16) -> int:
    """Plan the cache of Phi-3-mini and other models; memory in GB."""
    return plan_blocks(
        models=[PHI_3, *models],
        context=context,
        max_batch=batch,
        wanted_bytes=None if wanted is None else int(wanted * GB),
        memory=UsableMemory(int(usable * GB), "the cgroup limit of 9.9 GB"),
    )


def test_a_full_size_model_is_not_underestimated() -> None:
    # Measured without mapped files, in the middle of a prompt of 3,000 tokens: 3.945 GB with its cache.
    whole = memory_without_cache([PHI_3], 3000) + 3000 * PHI_3.block_bytes // 32
    assert 3.945 * GB <= whole <= 1.1 * 3.945 * GB


def test_with_plenty_of_memory_each_request_of_the_batch_gets_a_context() -> None:
    assert plan(100) == 16 * 128 + 1
    assert plan(100, context=1000, batch=2) == 2 * 32 + 1


@pytest.mark.parametrize("usable", [6, 10])
def test_the_cache_takes_half_of_what_the_model_leaves(usable: float) -> None:
    half = (usable * GB - memory_without_cache([PHI_3], 4096)) / 2
    assert half - PHI_3.block_bytes < plan(usable) * PHI_3.block_bytes <= half


def test_one_conversation_fits_even_where_half_is_too_little() -> None:
    least = memory_without_cache([PHI_3], 33 * 32) + 33 * PHI_3.block_bytes
    assert plan(least / GB) == 33
    with pytest.raises(ModelDoesNotFitError):
        plan(least / GB - 0.001)


def test_a_model_that_cannot_fit_is_refused_in_one_line() -> None:
    with pytest.raises(ModelDoesNotFitError) as refused:
        plan(3.14)
    assert str(refused.value) == (
        "the model needs about 3.7 GB with room for one short conversation, and this process may take 3.1 GB "
        "(the cgroup limit of 9.9 GB); use a smaller model, weight format or cache, or give it more memory"
    )


def test_needed_and_usable_memory_never_show_the_same_figure() -> None:
    least = memory_without_cache([PHI_3], 33 * 32) + 33 * PHI_3.block_bytes
    with pytest.raises(ModelDoesNotFitError) as refused:
        plan(least / GB - 0.000_001)
    needed, usable = (float(number) for number in re.findall(r"(\d+\.\d) GB (?:with|\()", str(refused.value)))
    assert needed > usable


def test_a_wanted_size_is_taken_exactly() -> None:
    assert plan(100, wanted=2) == 2 * GB // PHI_3.block_bytes
    with pytest.raises(ModelDoesNotFitError, match=r"about 5\.6 GB with the KV cache that KV_CACHE_GIGABYTES asks for"):
        plan(5.5, wanted=2)
    assert plan(5.6, wanted=2)
    # A cache too small for a conversation would refuse every prompt.
    assert plan(100, wanted=0.05) == 33


@pytest.mark.parametrize("usable", [4, 5, 6, 12, 24])
def test_a_long_context_shrinks_to_what_memory_holds(usable: float) -> None:
    context = 131_072
    tokens = (plan(usable, context=context) - 1) * 32
    assert 1024 <= tokens < context
    assert plan(usable, context=tokens) >= plan(usable, context=context) - 1  # asking for less gives no more
    taken = memory_without_cache([PHI_3], tokens) + tokens * PHI_3.block_bytes // 32
    assert taken <= usable * GB


def test_a_wanted_cache_needs_scratch_memory_only_for_what_it_holds() -> None:
    assert plan(5.8, wanted=2, context=131_072) == plan(5.8, wanted=2)


def test_more_memory_never_shortens_the_context() -> None:
    sizes = [plan(usable / 10, context=131_072) for usable in range(40, 1000)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 131_072 // 32


@pytest.mark.parametrize("usable", [4, 6, 10])
def test_a_draft_models_weights_and_cache_count_too(usable: float) -> None:
    blocks = plan(usable, DRAFT)
    taken = memory_without_cache([PHI_3, DRAFT], blocks * 32) + blocks * (PHI_3.block_bytes + DRAFT.block_bytes)
    assert taken <= usable * GB
    assert blocks < plan(usable)


def test_a_wanted_size_is_that_of_both_caches() -> None:
    assert plan(100, DRAFT, wanted=2) == 2 * GB // (PHI_3.block_bytes + DRAFT.block_bytes)


def test_models_that_do_not_fit_together_are_refused_as_such() -> None:
    least = memory_without_cache([PHI_3], 33 * 32) + 33 * PHI_3.block_bytes
    assert plan(least / GB) == 33
    with pytest.raises(ModelDoesNotFitError, match=r"^the model and the draft model need about 3\.8 GB with room for"):
        plan(least / GB, DRAFT)
