"""Knows which cache block holds which tokens, and shares blocks between prompts with a common prefix.

Blocks form a tree: a block's parent holds the tokens before its own. A prompt follows the tree as far as its tokens
match; only the rest needs prefill. Unused blocks stay until eviction, which takes the least recently used leaf, so a
prefix never loses its beginning.

In a model with LongRoPE the same tokens have other keys in a long sequence, so each block also has its kind of factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from bot.engine.interface import Source
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.longest_match import longest_match


@dataclass(eq=False, slots=True)
class Block:
    """A cache block and the tokens whose keys and values it holds.

    Attributes:
        number: its index in the model's cache.
        parent: the block of the tokens before; None at the beginning.
        long_factors: whether its keys have the long factors of LongRoPE.
        tokens: prefilled so far, at most `BLOCK_TOKENS`.
        sources: whose words it holds.
        users: running requests that hold it, and transfers between it and the disk.
        key: of a full block on disk, see `bot.engine.worker.paged.disk_cache.block_file`; empty until it is needed.
        loaded: it came from the disk, and no prompt was counted with it yet.
        erased: it has left the tree, and is freed as soon as nobody uses it.
        last_used: a counter that grows with every release.
    """

    number: int
    parent: Block | None
    long_factors: bool = False
    tokens: list[int] = field(default_factory=list)
    sources: set[Source] = field(default_factory=set)
    children: list[Block] = field(default_factory=list)
    users: int = 0
    key: str = ""
    loaded: bool = False
    erased: bool = False
    last_used: int = 0


class PrefixCache:
    """The bookkeeping of one KV cache.

    Args:
        blocks: size of the cache.
        copy_block: copies all keys and values; called with the numbers of source and target.

    Attributes:
        on_full: called when a block is needed and every block is in use; it should make somebody release some.
    """

    def __init__(self, blocks: int, copy_block: Callable[[int, int], None]) -> None:
        self.capacity = blocks
        self.on_full: Callable[[], None] = lambda: None
        self._copy_block = copy_block
        self._free = list(range(blocks - 1, -1, -1))
        self._roots: dict[bool, list[Block]] = {False: [], True: []}
        self._unused_leaves: set[Block] = set()
        self._clock = itertools.count(1)

    @property
    def used(self) -> int:
        """Blocks that hold tokens, for running requests or for later ones."""
        return self.capacity - len(self._free)

    @property
    def is_full(self) -> bool:
        """Whether every block is in use, or before one that is."""
        return not self._free and not self._unused_leaves

    def find(self, tokens: Sequence[int], *, long_factors: bool = False) -> tuple[list[Block], int]:
        """Hold the longest cached prefix of these tokens with one kind of factors.

        Returns:
            Its blocks, to be given back with `release`, and its length in tokens.
        """
        path, known = longest_match(tokens, self._roots[long_factors])
        if not path:
            return [], 0
        last, part = path[-1], known % BLOCK_TOKENS
        if part and (last.users or part < len(last.tokens)):
            # Another prompt's tokens follow in this block, or will: this prompt needs a block of its own.
            path.pop()
        for block in path:
            self.hold(block)
        if len(path) < blocks_for(known):
            path.append(self._copy_beginning(last, known))
        return path, known

    def extend(self, path: list[Block], *, long_factors: bool = False) -> None:
        """Append a block to a path; without a free one, evict the least recently used leaf."""
        number, parent = self._take_number(), path[-1] if path else None
        if parent is not None and parent.erased:
            block = Block(number, None, long_factors, erased=True)
        else:
            block = Block(number, parent, long_factors)
            self._siblings(block).append(block)
        self.hold(block)
        path.append(block)

    def hold(self, block: Block) -> None:
        """Keep a block from eviction and from other prompts' tokens until `release`."""
        block.users += 1
        self._unused_leaves.discard(block)

    def release(self, path: list[Block]) -> None:
        """Give a path's blocks back. Their tokens stay cached until eviction."""
        now = next(self._clock)
        for block in reversed(path):
            block.users -= 1
            block.last_used = now
            self._cache_or_free(block)
        path.clear()

    def erase(self, concerned: Callable[[Source], bool]) -> None:
        """Let nobody find the blocks with concerned words, and those after them, any more."""
        for block in [each for each in self._all() if any(map(concerned, each.sources))]:
            self.erase_from(block)

    def erase_from(self, block: Block) -> None:
        """Let nobody find a block, and those after it, any more."""
        if block.erased:
            return
        parent = block.parent
        self._siblings(block).remove(block)
        for each in list(_subtree(block)):
            each.erased, each.parent = True, None
            each.children.clear()
            self._cache_or_free(each)
        if parent is not None:
            self._cache_or_free(parent)

    def _cache_or_free(self, block: Block) -> None:
        """Cache a block for later prompts, or free it, if nobody uses it and no block follows."""
        if block.users or block.children:
            return
        if block.tokens and not block.erased:
            self._unused_leaves.add(block)
        else:
            self._remove(block)

    def _copy_beginning(self, source: Block, known: int) -> Block:
        """Copy the beginning of a block for a prompt that diverges inside it, after `known` tokens in all.

        All that the copy holds are that prompt's words, so it gets no sources from the block.
        """
        self.hold(source)  # or the copy might evict its own source
        copy = Block(self._take_number(), source.parent, source.long_factors, source.tokens[: known % BLOCK_TOKENS])
        self._copy_block(source.number, copy.number)
        self._siblings(copy).append(copy)
        self.hold(copy)
        self.release([source])
        return copy

    def _take_number(self) -> int:
        if self.is_full:
            self.on_full()
        if not self._free:
            self._remove(min(self._unused_leaves, key=lambda leaf: leaf.last_used))
        return self._free.pop()

    def _remove(self, leaf: Block) -> None:
        self._unused_leaves.discard(leaf)
        self._free.append(leaf.number)
        if leaf.erased:
            return
        self._siblings(leaf).remove(leaf)
        if leaf.parent is not None:
            self._cache_or_free(leaf.parent)

    def _siblings(self, block: Block) -> list[Block]:
        return self._roots[block.long_factors] if block.parent is None else block.parent.children

    def _all(self) -> Iterator[Block]:
        for root in itertools.chain(*self._roots.values()):
            yield from _subtree(root)


def _subtree(block: Block) -> Iterator[Block]:
    """A block and all after it."""
    waiting = [block]
    while waiting:
        waiting.extend((each := waiting.pop()).children)
        yield each
