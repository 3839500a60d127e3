"""The benchmark measures memory as an export does."""

from __future__ import annotations

from bot.export.peak_memory import PeakMemory

__all__ = ["PeakMemory"]
