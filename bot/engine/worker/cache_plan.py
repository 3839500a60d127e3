"""Plans the KV cache for the engine's options."""

from __future__ import annotations

from pathlib import Path

from bot.engine.interface import EngineOptions
from bot.engine.worker.cache_budget import ModelMemory, plan_blocks
from bot.engine.worker.memory_limit import UsableMemory, usable_memory


def planned_blocks(
    options: EngineOptions, context: int, *draft_models: Path, memory: UsableMemory | None = None
) -> int:
    """Return the number of blocks of each model's KV cache.

    Args:
        options: with the properties that the model is loaded with.
        context: upper bound in tokens for a prompt and its answer.
        draft_models: folders of the draft models that share the cache; none of all models must be loaded yet.
        memory: what this process may take; None asks the machine.

    Raises:
        ModelDoesNotFitError: the models do not fit, or not with the wanted caches.
        ConfigurationError: a model folder is unusable.
        OSError: its files cannot be read.
    """
    wanted = options.cache_gigabytes
    return plan_blocks(
        models=[ModelMemory.read(each, options.properties) for each in (options.model_dir, *draft_models)],
        context=context,
        max_batch=options.max_batch,
        wanted_bytes=None if wanted is None else int(wanted * 1e9),
        memory=memory or usable_memory(),
    )
