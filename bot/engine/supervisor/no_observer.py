"""What receives an engine's events where nobody measures."""

from __future__ import annotations

from bot.engine.interface import BatchState


class NoObserver:
    """An `EngineObserver` that drops everything."""

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it."""
