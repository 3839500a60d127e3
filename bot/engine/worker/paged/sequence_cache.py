"""Gives requests their cache blocks, from memory and from disk, and takes them back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from bot.engine.interface import Erasure, Source
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.schedule import RunningRequest

_MOST_ERASURES = 10_000


class SequenceCache:
    """The cache blocks of requests.

    Args:
        memory: knows what they hold.
        clear_after: clears a block after its first tokens, see `PagedModel.clear_after`.

    Attributes:
        disk: None without a disk cache.
    """

    def __init__(self, memory: PrefixCache, clear_after: Callable[[int, int], None]) -> None:
        self.disk: DiskCache | None = None
        self._memory = memory
        self._clear_after = clear_after
        self._erasures: deque[Erasure] = deque(maxlen=_MOST_ERASURES)

    def find(self, sequence: RunningRequest, *, ahead: bool = False) -> None:
        """Hold the longest cached prefix of a request; what is on disk is loaded until `take_loaded` says so.

        Args:
            ahead: whether other requests' loads are more urgent.
        """
        # The last token is always computed: the answer's next token comes from its logits.
        tokens = sequence.tokens[:-1]
        sequence.path, known = self._memory.find(tokens, long_factors=sequence.long_factors)
        _go_on_after(sequence, known)
        self._attribute(sequence, 0)
        if self.disk is not None:
            sequence.load = self.disk.load(
                tokens, sequence.path, sequence.read, long_factors=sequence.long_factors, ahead=ahead
            )
            self._attribute(sequence, 0)

    def take_loaded(self, sequence: RunningRequest) -> bool:
        """Return whether nothing is being loaded for a request any more."""
        load = sequence.load
        if load is not None and load.ended:
            sequence.load = None
            _go_on_after(sequence, load.known)
            self._attribute(sequence, 0)
        return sequence.load is None

    @staticmethod
    def count_loaded(sequence: RunningRequest) -> int:
        """Count the tokens of a request's prefix that came from the disk, for it or ahead of it; each of them once."""
        loaded = [block for block in sequence.path if block.loaded]
        for block in loaded:
            block.loaded = False
        return sum(len(block.tokens) for block in loaded)

    def extend(self, sequence: RunningRequest, count: int) -> None:
        """Give a request the blocks for its next tokens."""
        before = len(sequence.path)
        while len(sequence.path) < blocks_for(sequence.read + count):
            self._memory.extend(sequence.path, long_factors=sequence.long_factors)
        self._attribute(sequence, before)

    def record(self, sequence: RunningRequest, count: int) -> None:
        """Record what a request's blocks hold after a step, so that other prompts find it."""
        for token in sequence.tokens[sequence.read : sequence.read + count]:
            sequence.path[sequence.read // BLOCK_TOKENS].tokens.append(token)
            sequence.read += 1

    def save(self, sequence: RunningRequest) -> None:
        """Write a request's full blocks to disk. Call it before `record`: the draft model must have read them, too."""
        full = sequence.read // BLOCK_TOKENS
        if self.disk is not None and full > sequence.saved:
            self.disk.save(sequence.path[:full], ended=False)
            sequence.saved = full

    def release(self, sequence: RunningRequest) -> None:
        """Take a request's blocks back. Their tokens stay cached."""
        if sequence.load is not None:
            sequence.load.end()
        part = sequence.read % BLOCK_TOKENS
        if part:
            # A file holds the whole block.
            self._clear_after(sequence.path[sequence.read // BLOCK_TOKENS].number, part)
        if self.disk is not None:
            self.disk.save(sequence.path, ended=True)
        self._memory.release(sequence.path)

    def erase(self, erasure: Erasure) -> None:
        """Erase words from memory and disk. Requests that run with them go on, and leave nothing."""
        self._erasures.append(erasure)
        self._memory.erase(erasure.concerns)
        if self.disk is not None:
            self.disk.erase(erasure)

    def _attribute(self, sequence: RunningRequest, first: int) -> None:
        """Note whose words the blocks of a path hold, and what of them was erased since the prompt was made."""
        request = sequence.request
        if first == len(sequence.path):
            return
        missed = [each for each in self._erasures if each.number > request.erasures]
        for index, block in enumerate(sequence.path[first:], first):
            sources = _within(request.sources, index)
            block.sources.update(sources)
            if any(erasure.concerns(source) for erasure in missed for source in sources):
                self._memory.erase_from(block)


def _go_on_after(sequence: RunningRequest, known: int) -> None:
    """Take a prefix as read. The draft model may lack tokens of a block that is not full, see `DraftModel`."""
    sequence.read, sequence.drafter_read = known, known - known % BLOCK_TOKENS
    sequence.saved = 0


def _within(sources: Sequence[Source], block: int) -> Sequence[Source]:
    """Those of the sources whose words a block holds; the last ones go on to the end of the answer."""
    begin = block * BLOCK_TOKENS
    before = bisect_right(sources, begin, key=_start)
    first = bisect_left(sources, sources[before - 1].start, key=_start) if before else 0
    return sources[first : bisect_left(sources, begin + BLOCK_TOKENS, key=_start)]


def _start(source: Source) -> int:
    return source.start
