"""The engines that the measures of the disk cache load, with and without it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.engine.interface import EngineOptions
from bot.engine.observer import BatchState, EngineObserver
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.model.folder import ModelFolder

WITH, WITHOUT = "with", "without"
"""The two sides of each comparison: with the disk cache and without it."""

_SPARE_BLOCKS = 2
_SPARE_DISK = 1.5
"""Headers, and blocks that are written again when they are fuller."""


class DiskWatch:
    """An `EngineObserver` that keeps what the disk cache did.

    Attributes:
        from_disk: the share of the latest prompt's tokens that came from the disk.
        written_bytes: since the engine was loaded, as of its latest step.
    """

    def __init__(self) -> None:
        self.from_disk = 0.0
        self.written_bytes = 0

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:  # noqa: ARG002 - memory does not count
        """Keep the share."""
        self.from_disk = from_disk / tokens

    def engine_stepped(self, state: BatchState) -> None:
        """Keep what was written."""
        self.written_bytes = state.disk_written_bytes

    def engine_restarted(self, cause: str) -> None:
        """Ignore it; the figures show that everything was read anew."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the measures of the disk cache share.

    Attributes:
        data: an existing folder beside the results, for caches and databases; deleted in the end.
        options: without a disk cache.
        token_bytes: the size of a token in the KV cache.
        say: called with a line of progress.
    """

    folder: ModelFolder
    plan: Plan
    prompts: Prompts
    data: Path
    options: EngineOptions
    token_bytes: float
    say: Callable[[str], None]

    @property
    def needed_bytes(self) -> float:
        """The disk space that the measures take together."""
        plan = self.plan
        many = self.disk_gigabytes(plan.returning_conversations, plan.returning_conversation)
        # After a kill: what the bot left, and a copy of it. Beside streams: one for each run.
        histories = self.disk_gigabytes(plan.returning_runs + 2, plan.returning_history + plan.returning_newcomer)
        return (many + histories) * 1e9

    def gigabytes(self, tokens: int) -> float:
        """Return the size of a KV cache with room for this many tokens."""
        return (blocks_for(tokens) + _SPARE_BLOCKS) * BLOCK_TOKENS * self.token_bytes / 1e9

    def disk_gigabytes(self, conversations: int, tokens: int) -> float:
        """Return the size of a disk cache that need not delete anything of these conversations."""
        return conversations * self.gigabytes(tokens) * _SPARE_DISK

    def memory_options(self, tokens: int) -> EngineOptions:
        """Return options without a disk cache and with room for this many tokens in memory."""
        return replace(self.options, cache_gigabytes=self.gigabytes(tokens))

    def disk_options(self, name: str, tokens: int, disk_gigabytes: float) -> EngineOptions:
        """Return the same with a disk cache in a folder of this name."""
        folder = self.data / name
        folder.mkdir(exist_ok=True)
        options = self.memory_options(tokens)
        return replace(options, disk_cache_dir=folder, disk_cache_gigabytes=disk_gigabytes)


@asynccontextmanager
async def loaded_engine(options: EngineOptions, watch: EngineObserver | None = None) -> AsyncIterator[EngineSupervisor]:
    """Load an engine for the block.

    Raises:
        ConfigurationError: it does not load.
    """
    engine = EngineSupervisor(options, watch)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()
