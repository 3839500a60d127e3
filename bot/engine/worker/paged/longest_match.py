"""Finds the longest prefix of a prompt in a tree of cache blocks, in memory or on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, TypeVar

from bot.engine.worker.cache_blocks import BLOCK_TOKENS


class TreeBlock(Protocol):
    """A block of a tree, in which a block's parent holds the tokens before its own."""

    @property
    def parent(self) -> Self | None:
        """The block of the tokens before; None at the beginning."""
        ...

    @property
    def tokens(self) -> Sequence[int]:
        """At most `BLOCK_TOKENS`."""
        ...

    @property
    def children(self) -> Iterable[Self]:
        """The blocks of tokens that follow."""
        ...


AnyBlock = TypeVar("AnyBlock", bound=TreeBlock)


def longest_match(tokens: Sequence[int], roots: Iterable[AnyBlock]) -> tuple[list[AnyBlock], int]:
    """Find the longest prefix of these tokens in a tree.

    Follows every matching path: prompts that were prefilled together have equal blocks from the first one on.

    Returns:
        The blocks that hold it, in order, and its length in tokens. The last block may hold other tokens after it.
    """
    last: AnyBlock | None = None
    known = 0
    level = roots
    for begin in range(0, len(tokens), BLOCK_TOKENS):
        matches = [(common_length(block.tokens, tokens[begin : begin + BLOCK_TOKENS]), block) for block in level]
        common, best = max(matches, key=lambda match: match[0], default=(0, None))
        if not common:
            break
        last, known = best, begin + common
        level = [child for common, block in matches if common == BLOCK_TOKENS for child in block.children]
    return ([] if last is None else _path_to(last)), known


def _path_to(last: AnyBlock) -> list[AnyBlock]:
    path = [last]
    while path[-1].parent is not None:
        path.append(path[-1].parent)
    return path[::-1]


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Count the tokens up to the first that differs."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(first), len(second)))
