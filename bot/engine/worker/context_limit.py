"""Works out how long a context the engine has for a model: the model's own, or less."""

from __future__ import annotations

from bot.engine.interface import EngineOptions
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.backend import Backend
from bot.errors import ConfigurationError
from bot.model.config import WRONG_ON_PAGED_ATTENTION


def limits_before_loading(options: EngineOptions) -> ModelLimits:
    """Read a model's limits, as far as they do not depend on the loaded backend.

    Raises:
        ConfigurationError: the folder has no usable model, or one that the engine computes wrong.
    """
    limits = ModelLimits.read(options.model_dir).within(options.max_context_tokens, "MAX_CONTEXT_TOKENS")
    if options.engine != "optimum" and limits.model_type in WRONG_ON_PAGED_ATTENTION:
        raise ConfigurationError(
            f"the engine {options.engine} gives wrong answers with a model of the type {limits.model_type}; set "
            "ENGINE=optimum, or choose another model (docs/models.md lists what works)"
        )
    return limits if options.engine == "paged" else _within_original_context(limits)


def limits_of_loaded(backend: Backend, limits: ModelLimits, options: EngineOptions) -> ModelLimits:
    """The limits with the backend's own."""
    if backend.original_context is None:
        limits = _within_original_context(limits)
    no_more = "no more fits into memory" if options.cache_gigabytes is None else "KV_CACHE_GIGABYTES holds no more"
    return limits.within(backend.cache_tokens, no_more)


def _within_original_context(limits: ModelLimits) -> ModelLimits:
    """Keep to the short factors of a model with LongRoPE."""
    return limits.within(limits.original_context, "this engine computes LongRoPE only within the original context")
