"""What an engine reports of its work, for metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class BatchState:
    """The load of an engine after a step.

    Attributes:
        batch: requests in the batch.
        waiting: requests that wait for room in the batch.
        cache_used: the share of the KV cache that the batch may need, 0 to 1.
        disk_used_bytes: what the disk cache holds.
        disk_written_bytes: what was written to it since the engine was loaded.
        drafted_tokens: tokens drafted since the engine was loaded.
        accepted_tokens: how many of these became part of an answer.
    """

    batch: int = 0
    waiting: int = 0
    cache_used: float = 0.0
    disk_used_bytes: int = 0
    disk_written_bytes: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


class EngineObserver(Protocol):
    """Receives engine events for metrics."""

    def engine_stepped(self, state: BatchState) -> None:
        """A step has ended."""
        ...

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """A prompt of `tokens` tokens entered the batch; `cached` of them were cached, `from_disk` of these on disk."""
        ...

    def engine_restarted(self, cause: str) -> None:
        """The worker `crashed` or `hung`, and is being restarted."""
        ...


class NoObserver:
    """An `EngineObserver` that drops everything."""

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it."""
