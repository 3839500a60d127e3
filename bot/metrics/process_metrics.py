"""How much memory the bot's process and the engine's take."""

from __future__ import annotations

import math
from collections.abc import Callable

import psutil
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from bot.engine.interface import EngineFacts


class ProcessMetrics:
    """`process_…` of the bot's own process, under Prometheus's usual names, and the engine's memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(registry=registry)
        self._engine_memory = Gauge(
            "phi3_engine_resident_memory_bytes", "Memory of the engine's process; NaN without one.", registry=registry
        )

    def watch_engine(self, facts: Callable[[], EngineFacts | None]) -> None:
        """Register where each scrape gets the engine's process."""
        self._engine_memory.set_function(lambda: _resident_bytes(facts()))


def _resident_bytes(facts: EngineFacts | None) -> float:
    try:
        return math.nan if facts is None else float(psutil.Process(facts.process_id).memory_info().rss)
    except psutil.Error:  # it ends just now
        return math.nan
