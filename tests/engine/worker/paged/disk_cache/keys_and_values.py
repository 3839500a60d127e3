"""Stands in for a model's KV cache: what a token's cell must hold follows from all tokens up to it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy

from bot.engine.interface import GenerationRequest, Source
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.schedule import RunningRequest
from bot.engine.worker.paged.sequence_cache import SequenceCache

IDENTITY = "identity"
PARTS = 3
PAYLOAD_BYTES = PARTS * BLOCK_TOKENS * 4


class KeysAndValues:
    """The memory of a cache, and the computation that reads and writes it."""

    def __init__(self, blocks: int) -> None:
        self.cells = numpy.zeros((blocks, PARTS, BLOCK_TOKENS), numpy.uint32)

    def copy_block(self, source: int, target: int) -> None:
        self.cells[target] = self.cells[source]

    def clear_after(self, number: int, tokens: int) -> None:
        self.cells[number, :, tokens:] = 0

    def block_bytes(self, number: int) -> list[memoryview]:
        return [memoryview(part.view(numpy.uint8)) for part in self.cells[number]]

    def compute(self, sequence: RunningRequest, count: int) -> None:
        """Read everything before the next tokens, as attention does, and write those."""
        expected = _chain(sequence.tokens[: sequence.read + count], long_factors=sequence.long_factors)
        for position, value in enumerate(expected):
            cell = self.cells[sequence.path[position // BLOCK_TOKENS].number, :, position % BLOCK_TOKENS]
            if position < sequence.read:
                assert (cell == value).all(), f"token {position} of {sequence.tokens} was read from a wrong block"
            else:
                cell[:] = value


def _chain(tokens: Sequence[int], *, long_factors: bool) -> list[int]:
    value, values = int(long_factors), []
    for token in tokens:
        value = zlib.crc32(token.to_bytes(4, "little"), value)
        values.append(value)
    return values


class Engine:
    """The caches of a worker without its model: requests are read to their end, one piece at a time.

    Args:
        root: the folder of the disk cache.
        blocks: in memory.
        budget: on disk, in bytes.
        seconds_per_token: what computing a token takes, as far as the disk cache knows.

    Attributes:
        from_disk: tokens of the latest request's prefix that were loaded.
    """

    def __init__(
        self, root: Path, blocks: int = 40, budget: int = 10_000_000, seconds_per_token: float = 1000.0
    ) -> None:
        self.from_disk = 0
        self.model = KeysAndValues(blocks)
        self.memory = PrefixCache(blocks, self.model.copy_block)
        self.cache = SequenceCache(self.memory, self.model.clear_after)
        self.folder = CacheFolder(root, IDENTITY)
        self.warnings: list[str] = []
        self.disk = self.cache.disk = DiskCache(
            self.folder,
            self.folder.read_index(PAYLOAD_BYTES),
            budget,
            self.memory,
            self.model.block_bytes,
            lambda: seconds_per_token,
            self.warnings.append,
        )

    def begin(self, *tokens: int, sources: Sequence[Source] = (), erasures: int = 0) -> RunningRequest:
        """Give a request its cached prefix, and wait until it is loaded."""
        asked = GenerationRequest(tokens, frozenset(), 0, sources=tuple(sources), erasures=erasures)
        sequence = RunningRequest.of(0, asked)
        self.cache.find(sequence)
        while not self.cache.take_loaded(sequence):
            self.disk.poll(0.01)
        self.from_disk = self.cache.count_loaded(sequence)
        return sequence

    def compute(self, sequence: RunningRequest, count: int) -> None:
        self.cache.extend(sequence, count)
        self.model.compute(sequence, count)
        self.cache.record(sequence, count)
        self.cache.save(sequence)

    def read(self, *tokens: int, sources: Sequence[Source] = (), erasures: int = 0) -> RunningRequest:
        """Read a prompt to its end, write what is new, and return the request, which tells what was cached."""
        sequence = self.begin(*tokens, sources=sources, erasures=erasures)
        self.compute(sequence, sequence.unread)
        self.cache.release(sequence)
        self.flush()
        return sequence

    def cached(self, *tokens: int) -> int:
        """How many tokens of a prompt memory and disk hold together."""
        sequence = self.begin(*tokens)
        cached = sequence.read
        self.cache.release(sequence)
        return cached

    def flush(self) -> None:
        self.disk.flush(30)
        assert not self.disk.busy

    def close(self) -> None:
        """Give the folder back, as the end of the process does."""
        self.folder.close()

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.path.glob("*.block"))
