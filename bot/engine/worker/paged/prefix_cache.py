"""Which block of the KV cache holds which tokens, shared between all that begin alike.

The cache is cut into blocks of a fixed number of tokens. Blocks form a tree: a block's parent holds the tokens before
its own. A prompt walks down the tree as far as its tokens agree, and only the rest has to be read. What nobody uses
stays until its room is needed; the least recently used branch goes first, from its tip, so a prefix never loses its
beginning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for


@dataclass(eq=False, slots=True)
class Block:
    """A block of the cache and the tokens whose keys and values it holds.

    Attributes:
        number: its place in the cache.
        parent: the block that holds the tokens before; None at the beginning.
        tokens: what has been read into it so far.
        children: the blocks that continue it.
        users: how many sequences hold it right now.
        last_used: a count that grows with each use.
    """

    number: int
    parent: Block | None
    tokens: list[int] = field(default_factory=list)
    children: list[Block] = field(default_factory=list)
    users: int = 0
    last_used: int = 0


class PrefixCache:
    """The blocks of one KV cache.

    Args:
        blocks: how many there are.
        copy_block: called with the numbers of a source and a target, to copy all keys and values.
    """

    def __init__(self, blocks: int, copy_block: Callable[[int, int], None]) -> None:
        self.capacity = blocks
        self._copy_block = copy_block
        self._free = list(range(blocks - 1, -1, -1))
        self._roots: list[Block] = []
        self._unused_tips: set[Block] = set()
        self._clock = itertools.count(1)

    @property
    def used(self) -> int:
        """How many blocks hold something, whether a sequence needs it or it is kept for a later one."""
        return self.capacity - len(self._free)

    def find(self, tokens: Sequence[int]) -> tuple[list[Block], int]:
        """Take hold of the longest known beginning of these tokens.

        Returns:
            the blocks, to be given back with `release`, and how many tokens they hold.
        """
        tip, known = self._longest_match(tokens)
        if tip is None:
            return [], 0
        path = _path_to(tip)
        part = known % BLOCK_TOKENS
        if part and (tip.users or part < len(tip.tokens)):
            # Another's tokens follow in this block, or will: what follows here needs a block of its own.
            path.pop()
        for block in path:
            self._hold(block)
        if len(path) < blocks_for(known):
            path.append(self._copy_beginning(tip, part))
        return path, known

    def extend(self, path: list[Block]) -> None:
        """Add a block at a sequence's end, in the place of the least recently used one where none is free."""
        block = Block(self._take_number(), path[-1] if path else None)
        self._siblings(block.parent).append(block)
        self._hold(block)
        path.append(block)

    def release(self, path: list[Block]) -> None:
        """Let go of a sequence's blocks. What they hold stays known until the room is needed."""
        now = next(self._clock)
        for block in reversed(path):
            block.users -= 1
            block.last_used = now
            if not block.users and not block.children:
                self._keep_or_free(block)
        path.clear()

    def _keep_or_free(self, tip: Block) -> None:
        if tip.tokens:
            self._unused_tips.add(tip)
        else:
            self._remove(tip)

    def _longest_match(self, tokens: Sequence[int]) -> tuple[Block | None, int]:
        """Follow every branch that agrees: what was read side by side stands in several from its first block on."""
        tip: Block | None = None
        known = 0
        level = self._roots
        for begin in range(0, len(tokens), BLOCK_TOKENS):
            matches = [(_common_length(block.tokens, tokens[begin : begin + BLOCK_TOKENS]), block) for block in level]
            common, best = max(matches, key=lambda match: match[0], default=(0, None))
            if not common:
                break
            tip, known = best, begin + common
            level = [child for common, block in matches if common == BLOCK_TOKENS for child in block.children]
        return tip, known

    def _copy_beginning(self, source: Block, length: int) -> Block:
        """Make a block of its own for a sequence that parts from another one in the middle of a block."""
        self._hold(source)  # or the room for the copy might be found in the very block to be copied
        copy = Block(self._take_number(), source.parent, source.tokens[:length])
        self._copy_block(source.number, copy.number)
        self._siblings(copy.parent).append(copy)
        self._hold(copy)
        self.release([source])
        return copy

    def _hold(self, block: Block) -> None:
        block.users += 1
        self._unused_tips.discard(block)

    def _take_number(self) -> int:
        if not self._free:
            self._remove(min(self._unused_tips, key=lambda tip: tip.last_used))
        return self._free.pop()

    def _remove(self, tip: Block) -> None:
        self._unused_tips.discard(tip)
        self._siblings(tip.parent).remove(tip)
        self._free.append(tip.number)
        parent = tip.parent
        if parent is not None and not parent.users and not parent.children:
            self._unused_tips.add(parent)

    def _siblings(self, parent: Block | None) -> list[Block]:
        return self._roots if parent is None else parent.children


def _path_to(tip: Block) -> list[Block]:
    path = [tip]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def _common_length(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(first), len(second)))
