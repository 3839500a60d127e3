"""The memory of several models' KV caches as one: under a block's number each holds its own keys of the same tokens."""

from __future__ import annotations

from bot.engine.worker.paged.model import PagedModel


class CacheMemory:
    """The KV caches of models that share block numbers.

    Args:
        models: at least one, with caches of the same number of blocks.

    Attributes:
        layout: how a block is stored, see `PagedModel.cache_layout`; that of each model, in order.
        size: of all caches, in bytes.
    """

    def __init__(self, *models: PagedModel) -> None:
        self.layout = [line for model in models for line in model.cache_layout]
        self.size = sum(model.cache_bytes for model in models)
        self._models = models

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of all models from one block to another."""
        for model in self._models:
            model.copy_block(source, target)

    def clear_after(self, number: int, tokens: int) -> None:
        """Clear what a block holds after its first tokens, see `PagedModel.clear_after`."""
        for model in self._models:
            model.clear_after(number, tokens)

    def block_bytes(self, number: int) -> list[memoryview]:
        """The memory of a block, in the order of `layout`."""
        return [part for model in self._models for part in model.block_bytes(number)]
