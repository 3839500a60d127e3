"""The log's line about an engine that is ready."""

from __future__ import annotations

from bot.engine.interface import EngineFacts


def ready_line(facts: EngineFacts) -> str:
    """Describe a loaded engine, with all that its speed and its memory depend on."""
    if facts.is_remote:
        return f"Engine ready: engine={facts.engine} servers={facts.device} context_tokens={facts.context_tokens}"
    properties = ",".join(f"{name}={value}" for name, value in facts.properties.items())
    return (
        f"Engine ready: engine={facts.engine} device={facts.device_name} precision={facts.precision or 'unknown'} "
        f"properties={properties or 'none'} context_tokens={facts.context_tokens} cache_tokens={facts.cache_tokens} "
        f"cache_gigabytes={facts.cache_bytes / 1e9:.2f} disk_cache_gigabytes={facts.disk_cache_bytes / 1e9:.2f} "
        f"draft_model={facts.draft_model or 'none'}"
    )
