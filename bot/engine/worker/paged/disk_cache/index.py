"""Knows which blocks are on disk, as a tree over their tokens, and which were used least."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bot.engine.interface import Erasure
from bot.engine.worker.paged.disk_cache.block_file import StoredBlock
from bot.engine.worker.paged.longest_match import longest_match


@dataclass(eq=False, slots=True)
class IndexedBlock:
    """A block on disk.

    Attributes:
        parent: the block of the tokens before; None at the beginning.
        size: of its file, in bytes.
        last_used: in seconds since the epoch.
    """

    stored: StoredBlock
    parent: IndexedBlock | None
    size: int
    last_used: float
    children: list[IndexedBlock] = field(default_factory=list)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens that it holds."""
        return self.stored.tokens


class FoundBlock(NamedTuple):
    """A block in a file.

    Attributes:
        size: of the file, in bytes.
        last_used: in seconds since the epoch.
    """

    stored: StoredBlock
    size: int
    last_used: float


class DiskIndex:
    """The blocks of one identity. It does bookkeeping only: callers write and delete the files.

    Attributes:
        identity: the parent of every first block.
        size: of all files, in bytes.
    """

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.size = 0
        self._blocks: dict[str, IndexedBlock] = {}
        self._roots: dict[bool, list[IndexedBlock]] = {False: [], True: []}

    def __contains__(self, key: str) -> bool:
        return key in self._blocks

    @property
    def message_ids(self) -> frozenset[int]:
        """The messages whose words any block holds."""
        return frozenset(source.message_id for each in self._blocks.values() for source in each.stored.sources)

    def find(self, tokens: Sequence[int], *, long_factors: bool) -> tuple[list[IndexedBlock], int]:
        """Find the longest prefix of these tokens.

        Returns:
            The blocks that hold it, in order, and its length in tokens.
        """
        return longest_match(tokens, self._roots[long_factors])

    def add(self, stored: StoredBlock, size: int, last_used: float) -> bool:
        """Add a block; return False if the block before it is not here, so that nobody could find it."""
        parent = self._blocks.get(stored.parent)
        if parent is None and stored.parent != self.identity:
            return False
        if stored.key not in self._blocks:
            block = self._blocks[stored.key] = IndexedBlock(stored, parent, size, last_used)
            self._siblings(block).append(block)
            self.size += size
        return True

    def add_all(self, found: Iterable[FoundBlock]) -> list[StoredBlock]:
        """Add blocks in any order; return those that nobody could find, because one before them is missing."""
        following: dict[str, list[FoundBlock]] = defaultdict(list)
        for each in found:
            following[each.stored.parent].append(each)
        parents = deque(parent for parent in following if parent == self.identity or parent in self)
        while parents:
            for each in following.pop(parents.popleft(), ()):
                self.add(*each)
                parents.append(each.stored.key)
        return [each.stored for left in following.values() for each in left]

    def touch(self, key: str) -> None:
        """Note that the last block of a prompt was used, which keeps those before it too."""
        if key in self._blocks:
            self._blocks[key].last_used = time.time()

    def remove(self, key: str) -> list[StoredBlock]:
        """Remove a block, and those after it, which nobody could find without it."""
        block = self._blocks.get(key)
        if block is None:
            return []
        self._siblings(block).remove(block)
        removed = list(_subtree(block))
        for each in removed:
            del self._blocks[each.stored.key]
            self.size -= each.size
        return [each.stored for each in removed]

    def erase(self, erasure: Erasure) -> list[StoredBlock]:
        """Remove the blocks with concerned words, and those after them, except what was written since."""
        keys = [
            key
            for key, each in self._blocks.items()
            if each.stored.erasures < erasure.number and any(map(erasure.concerns, each.stored.sources))
        ]
        return [stored for key in keys for stored in self.remove(key)]

    def shrink(self, most_bytes: int, spared: Collection[str] = ()) -> list[StoredBlock]:
        """Remove blocks until the others take at most this much: the least recently used, ends before beginnings.

        Args:
            spared: keys of blocks that stay.
        """
        removed: list[StoredBlock] = []
        leaves = [each for each in self._blocks.values() if not each.children] if self.size > most_bytes else []
        while self.size > most_bytes and (leaves := [each for each in leaves if each.stored.key not in spared]):
            leaf = min(leaves, key=lambda each: each.last_used)
            leaves.remove(leaf)
            removed += self.remove(leaf.stored.key)
            if leaf.parent is not None and not leaf.parent.children:
                leaves.append(leaf.parent)
        return removed

    def fuller(self, stored: StoredBlock) -> bool:
        """Whether a block beside this one holds its tokens and more."""
        count = len(stored.tokens)
        return any(len(each.tokens) > count and each.tokens[:count] == stored.tokens for each in self._beside(stored))

    def outgrown(self, stored: StoredBlock) -> list[StoredBlock]:
        """The blocks beside this one that hold only a beginning of its tokens."""
        beside = (each.stored for each in self._beside(stored) if len(each.tokens) < len(stored.tokens))
        return [each for each in beside if stored.tokens[: len(each.tokens)] == each.tokens]

    def _beside(self, stored: StoredBlock) -> list[IndexedBlock]:
        parent = self._blocks.get(stored.parent)
        return self._roots[stored.long_factors] if parent is None else parent.children

    def _siblings(self, block: IndexedBlock) -> list[IndexedBlock]:
        return self._roots[block.stored.long_factors] if block.parent is None else block.parent.children


def _subtree(block: IndexedBlock) -> Iterator[IndexedBlock]:
    """A block and all after it."""
    waiting = [block]
    while waiting:
        waiting.extend((each := waiting.pop()).children)
        yield each
