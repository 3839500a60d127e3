"""The KV caches of a model and its draft model as one."""

from __future__ import annotations

from pathlib import Path

from bot.engine.worker.paged.cache_memory import CacheMemory
from bot.engine.worker.paged.model import Advance, PagedModel
from tests.inference_precision import chosen_precision


def test_a_block_is_copied_in_all_models(tiny_model: Path) -> None:
    models = [PagedModel(tiny_model, "CPU", chosen_precision(), 3) for _ in range(2)]
    memory = CacheMemory(*models)
    for begin, model in enumerate(models):
        model.advance([Advance(range(100 + begin, 120), 0, [0])])
    memory.copy_block(0, 2)
    source, target, unused = (b"".join(memory.block_bytes(number)) for number in (0, 2, 1))
    assert source == target != unused
    assert memory.size == 3 * len(source) == sum(model.cache_bytes for model in models)
    assert memory.layout == [line for model in models for line in model.cache_layout]
