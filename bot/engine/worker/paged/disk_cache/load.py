"""One prompt's blocks on their way from the disk into memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.background import Job
from bot.engine.worker.paged.prefix_cache import Block

_REMEMBERED_BLOCKS = 32


class LoadingSpeed:
    """Predicts how long blocks take to load, from the latest ones."""

    def __init__(self) -> None:
        self._seconds: list[float] = []

    def learn(self, seconds: float) -> None:
        """Record how long a block took."""
        self._seconds = [*self._seconds, seconds][-_REMEMBERED_BLOCKS:]

    def forget_some(self) -> None:
        """Doubt an old measurement, so that a disk that was slow once is tried again."""
        del self._seconds[:1]

    def seconds_for(self, blocks: int) -> float:
        """The time that this many blocks will probably take; 0 while nothing is known."""
        return blocks * median(self._seconds) if self._seconds else 0.0


class Load:
    """The blocks of one prompt that are being loaded.

    Attributes:
        path: the prompt's path; its last blocks are being loaded.
        tokens: of the prompt, as many as will be cached if all goes well.
        known: number of tokens that are cached now.
        jobs: those that have not ended, in order.
        ended: nothing is being loaded for the prompt any more.
    """

    def __init__(self, path: list[Block], tokens: list[int], known: int, on_end: Callable[[Load], None]) -> None:
        self.path = path
        self.tokens = tokens
        self.known = known
        self.jobs: list[Job] = []
        self.ended = False
        self._on_end = on_end
        self._progress = time.monotonic()

    @property
    def remaining_tokens(self) -> int:
        """Tokens that are still to be loaded."""
        return len(self.tokens) - self.known

    @property
    def stalled_seconds(self) -> float:
        """How long the block that is being loaded has taken so far."""
        return time.monotonic() - self._progress

    def take(self, job: Job, block: Block) -> None:
        """Note that the next block is in memory."""
        self.jobs.remove(job)
        begin = self.known - self.known % BLOCK_TOKENS
        block.tokens = self.tokens[begin : begin + BLOCK_TOKENS]
        block.loaded = True
        self.known = begin + len(block.tokens)
        self._progress = time.monotonic()
        if not self.jobs:
            self.end()

    def end(self) -> None:
        """Load no more; the blocks that are not loaded leave the path."""
        if self.ended:
            return
        self.ended = True
        for job in self.jobs:
            job.cancelled = True
        self.jobs.clear()
        self._on_end(self)
