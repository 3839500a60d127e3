"""The device with its properties, and the memory for model and KV cache, as the engine's worker would take them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.child_environment import child_environment
from bot.doctor.check import Finding, Findings, Result, in_thread, refused
from bot.doctor.checks.model import usable_draft_model
from bot.engine.interface import EngineOptions
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.cache_budget import ModelMemory, memory_without_cache
from bot.engine.worker.cache_plan import planned_blocks
from bot.engine.worker.context_limit import limits_before_loading
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.memory_limit import usable_memory
from bot.engine.worker.precision import check_cache_precision, with_default_precision
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder
from bot.prompting.child_process import ChildError, ask_child
from bot.settings import Settings
from bot.sizes import size

DEVICE, MEMORY = "device", "memory"
DEVICE_SECONDS = 120.0
_CHILD = "bot.doctor.device_child"
_MORE = "give it more memory, or a smaller model or cache precision"
_LARGER_CACHE = "set a larger KV_CACHE_GIGABYTES, or leave it out"


def options_for(settings: Settings, model: ModelFolder) -> EngineOptions:
    """The options with the properties that the worker would load the model with.

    Raises:
        ConfigurationError: the version's own properties are unusable, or some exclude each other.
    """
    options = replace(settings.engine_options, model_dir=model.path)
    properties = loading_properties(options.engine, options.device, options.model_dir, options.properties)
    return replace(options, properties=properties)


async def check_device(settings: Settings, model: ModelFolder | None) -> Findings:
    """Ask OpenVINO, in a child process, whether the device exists and takes the properties."""
    if model is None:
        properties = with_default_precision(settings.device, settings.device_properties)
    else:
        properties = dict((await in_thread(partial(options_for, settings, model))).properties)
    job = {"device": settings.device, "properties": properties}
    asking = partial(ask_child, _CHILD, job, seconds=DEVICE_SECONDS, environment=child_environment())
    try:
        found = await in_thread(asking)
    except ChildError as error:
        way_out = "install its packages again (see `packages`), or run the bot on another machine"
        return [Finding(DEVICE, Result.ERROR, f"OpenVINO does not start here: {error}", way_out)]
    if "refusal" in found:
        return [refused(DEVICE, ConfigurationError(found["refusal"]))]
    precision = found["precision"]
    if model is not None and settings.device == "CPU" and settings.engine_options.engine != "optimum":
        await in_thread(partial(check_cache_precision, model.path, properties, precision))
    line = f"{settings.device}: {found['name']}" + (f", inference in {precision}" if precision else "")
    return [Finding(DEVICE, Result.OK, line)]


def check_memory(settings: Settings, model: ModelFolder | None, *, bot_runs: bool) -> Findings:
    """Plan the memory for model and KV cache.

    Args:
        bot_runs: whether the bot holds its memory now, so that what is free says nothing.
    """
    if model is None:
        return [Finding(MEMORY, Result.SKIPPED, "not planned, because there is no usable model")]
    if bot_runs:
        return [Finding(MEMORY, Result.SKIPPED, "not planned, because the running bot has taken its memory")]
    options, memory = options_for(settings, model), usable_memory()
    limits = limits_before_loading(options)
    available = f"{size(memory.bytes)} available ({memory.limit})"
    if options.engine == "optimum":
        needed = memory_without_cache([ModelMemory.read(model.path, options.properties)], limits.context)
        line = f"about {size(needed)} for the model and its cache, {available}"
        if needed <= memory.bytes:
            return [Finding(MEMORY, Result.OK, line)]
        return [Finding(MEMORY, Result.ERROR, line, "use a smaller model or weight format, or give it more memory")]
    drafts = _draft_folders(settings, model)
    blocks = planned_blocks(options, limits.context, *drafts, memory=memory)
    models = [ModelMemory.read(each, options.properties) for each in (model.path, *drafts)]
    tokens = blocks * BLOCK_TOKENS
    cache = sum(each.block_bytes for each in models) * blocks
    needed = memory_without_cache(models, min(limits.context, tokens))
    line = f"{size(needed)} for the model, {size(cache)} for a KV cache of {tokens:,} tokens; {available}"
    if tokens < limits.context:
        way_out = _MORE if settings.kv_cache_gigabytes is None else _LARGER_CACHE
        line = f"{line}, so a conversation has at most {tokens:,}"
        return [Finding(MEMORY, Result.WARNING, line, f"{way_out}, if members need longer conversations")]
    return [Finding(MEMORY, Result.OK, line)]


def _draft_folders(settings: Settings, model: ModelFolder) -> list[Path]:
    try:
        draft = usable_draft_model(model, settings)
    except ConfigurationError:  # the bot answers without it
        return []
    return [] if draft is None else [draft.path]
