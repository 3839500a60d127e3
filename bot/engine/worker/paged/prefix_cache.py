"""Knows which cache block holds which tokens, and shares blocks between prompts with a common prefix.

Blocks form a tree: a block's parent holds the tokens before its own. A prompt follows the tree as far as its tokens
match; only the rest needs prefill. Unused blocks stay until eviction, which takes the least recently used leaf, so a
prefix never loses its beginning.

In a model with LongRoPE the same tokens have other keys in a long sequence, so each block also has its kind of factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for


@dataclass(eq=False, slots=True)
class Block:
    """A cache block and the tokens whose keys and values it holds.

    Attributes:
        number: its index in the model's cache.
        parent: the block of the tokens before; None at the beginning.
        long_factors: whether its keys have the long factors of LongRoPE.
        tokens: prefilled so far, at most `BLOCK_TOKENS`.
        users: running requests that hold it.
        last_used: a counter that grows with every release.
    """

    number: int
    parent: Block | None
    long_factors: bool = False
    tokens: list[int] = field(default_factory=list)
    children: list[Block] = field(default_factory=list)
    users: int = 0
    last_used: int = 0


class PrefixCache:
    """The bookkeeping of one KV cache.

    Args:
        blocks: size of the cache.
        copy_block: copies all keys and values; called with the numbers of source and target.
    """

    def __init__(self, blocks: int, copy_block: Callable[[int, int], None]) -> None:
        self.capacity = blocks
        self._copy_block = copy_block
        self._free = list(range(blocks - 1, -1, -1))
        self._roots: dict[bool, list[Block]] = {False: [], True: []}
        self._unused_leaves: set[Block] = set()
        self._clock = itertools.count(1)

    @property
    def used(self) -> int:
        """Blocks that hold tokens, for running requests or for later ones."""
        return self.capacity - len(self._free)

    def find(self, tokens: Sequence[int], *, long_factors: bool = False) -> tuple[list[Block], int]:
        """Hold the longest cached prefix of these tokens with one kind of factors.

        Returns:
            Its blocks, to be given back with `release`, and its length in tokens.
        """
        last, known = self._longest_match(tokens, self._roots[long_factors])
        if last is None:
            return [], 0
        path = _path_to(last)
        part = known % BLOCK_TOKENS
        if part and (last.users or part < len(last.tokens)):
            # Another prompt's tokens follow in this block, or will: this prompt needs a block of its own.
            path.pop()
        for block in path:
            self._hold(block)
        if len(path) < blocks_for(known):
            path.append(self._copy_beginning(last, part))
        return path, known

    def extend(self, path: list[Block], *, long_factors: bool = False) -> None:
        """Append a block to a path; without a free one, evict the least recently used leaf."""
        block = Block(self._take_number(), path[-1] if path else None, long_factors)
        self._siblings(block).append(block)
        self._hold(block)
        path.append(block)

    def release(self, path: list[Block]) -> None:
        """Give a path's blocks back. Their tokens stay cached until eviction."""
        now = next(self._clock)
        for block in reversed(path):
            block.users -= 1
            block.last_used = now
            if not block.users and not block.children:
                self._cache_or_free(block)
        path.clear()

    def _cache_or_free(self, leaf: Block) -> None:
        if leaf.tokens:
            self._unused_leaves.add(leaf)
        else:
            self._remove(leaf)

    def _longest_match(self, tokens: Sequence[int], level: list[Block]) -> tuple[Block | None, int]:
        """Follow every matching path: prompts that were prefilled together have equal blocks from the first one on."""
        last: Block | None = None
        known = 0
        for begin in range(0, len(tokens), BLOCK_TOKENS):
            matches = [(_common_length(block.tokens, tokens[begin : begin + BLOCK_TOKENS]), block) for block in level]
            common, best = max(matches, key=lambda match: match[0], default=(0, None))
            if not common:
                break
            last, known = best, begin + common
            level = [child for common, block in matches if common == BLOCK_TOKENS for child in block.children]
        return last, known

    def _copy_beginning(self, source: Block, length: int) -> Block:
        """Copy the beginning of a block for a prompt that diverges inside it."""
        self._hold(source)  # or the copy might evict its own source
        copy = Block(self._take_number(), source.parent, source.long_factors, source.tokens[:length])
        self._copy_block(source.number, copy.number)
        self._siblings(copy).append(copy)
        self._hold(copy)
        self.release([source])
        return copy

    def _hold(self, block: Block) -> None:
        block.users += 1
        self._unused_leaves.discard(block)

    def _take_number(self) -> int:
        if not self._free:
            self._remove(min(self._unused_leaves, key=lambda leaf: leaf.last_used))
        return self._free.pop()

    def _remove(self, leaf: Block) -> None:
        self._unused_leaves.discard(leaf)
        self._siblings(leaf).remove(leaf)
        self._free.append(leaf.number)
        parent = leaf.parent
        if parent is not None and not parent.users and not parent.children:
            self._unused_leaves.add(parent)

    def _siblings(self, block: Block) -> list[Block]:
        return self._roots[block.long_factors] if block.parent is None else block.parent.children


def _path_to(last: Block) -> list[Block]:
    path = [last]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(first), len(second)))
