"""Loads a model into this process, with one of the backends that run on OpenVINO."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.protocol import Event, Warned
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.backend import Backend
from bot.engine.worker.context_limit import limits_before_loading, limits_of_loaded
from bot.engine.worker.loaded_engine import LoadedEngine
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.precision import KEY_SCALES_PROPERTY, check_cache_precision, tokens_share_scales
from bot.engine.worker.warm_up import warm_up
from bot.errors import ConfigurationError


def load_local(options: EngineOptions, on_progress: Callable[[str], None]) -> LoadedEngine:
    """Load the model and warm it up.

    Args:
        on_progress: called with one line for each phase.

    Raises:
        ConfigurationError: the model cannot be loaded with these options.
    """
    started = time.monotonic()
    on_progress("Loading the model")
    limits = limits_before_loading(options)
    properties = loading_properties(options.engine, options.device, options.model_dir, options.properties)
    options = replace(options, properties=properties)

    # Not at the top: the bot's process imports this module to start the worker, and must not load OpenVINO.
    from bot.engine.worker.devices import checked_device

    device_name, precision = checked_device(options.device, options.properties)
    if options.device == "CPU" and options.engine != "optimum":  # optimum's stateful cache takes any combination
        check_cache_precision(options.model_dir, options.properties, precision)
    events: list[Event] = []
    options = _without_useless_drafts(options, events)
    backend = _backend(options, limits, precision, events)
    on_progress("Warming up")
    limits = limits_of_loaded(backend, limits, options)
    warm_up(backend, limits, events)
    backend.open_disk_cache(device_name, precision)
    facts = _facts(backend, limits, options, device_name, precision, time.monotonic() - started)
    disk, nothing_cached = backend.disk_cache, frozenset[int]() if options.disk_cache_dir is None else None
    return LoadedEngine(backend, limits, facts, events, disk.message_ids if disk is not None else nothing_cached)


def _facts(
    backend: Backend, limits: ModelLimits, options: EngineOptions, device_name: str, precision: str, seconds: float
) -> EngineFacts:
    disk = backend.disk_cache
    return EngineFacts(
        engine=backend.name,
        device=options.device,
        device_name=device_name,
        load_seconds=seconds,
        loaded_at=datetime.now(UTC),
        process_id=os.getpid(),
        context_tokens=limits.context,
        context_cause=limits.cause,
        cache_tokens=backend.cache_tokens,
        cache_bytes=backend.cache_bytes,
        disk_cache_bytes=disk.budget if disk is not None else 0,
        draft_model=backend.draft_model,
        precision=precision,
        properties=options.properties,
    )


def _without_useless_drafts(options: EngineOptions, events: list[Event]) -> EngineOptions:
    """Turn drafts off if a wrong one could not be taken back from the KV cache."""
    if options.engine != "paged" or not options.draft_tokens:
        return options
    if not tokens_share_scales(options.model_dir, options.properties):
        return options
    events.append(
        Warned(
            "Drafts are off, answers only take longer: tokens share scales in this KV cache; leave "
            f"{KEY_SCALES_PROPERTY} and the cache's precision out of DEVICE_PROPERTIES, or set DRAFT_TOKENS=0"
        )
    )
    return replace(options, draft_tokens=0)


def _backend(options: EngineOptions, limits: ModelLimits, precision: str, events: list[Event]) -> Backend:
    """Load the backend that the options name; it appends to `events`."""
    from bot.engine.worker.cache_plan import planned_blocks

    if options.engine == "paged":
        from bot.engine.worker.backends.paged import PagedBackend
        from bot.engine.worker.paged.drafts.loading import load_draft_model

        drafter, blocks = load_draft_model(
            options,
            precision,
            limits.vocabulary,
            lambda *folders: planned_blocks(options, limits.context, *folders),
            lambda line: events.append(Warned(line)),
        )
        return PagedBackend(options, events.append, blocks, drafter)
    if options.engine == "genai":
        from bot.engine.worker.backends.genai import GenaiBackend

        return GenaiBackend(options, events.append, planned_blocks(options, limits.context))
    if options.engine == "optimum":
        from bot.engine.worker.backends.optimum import OptimumBackend

        return OptimumBackend(options, events.append)
    raise ConfigurationError(f"there is no engine {options.engine!r}; set ENGINE to paged, genai, optimum or openai")
