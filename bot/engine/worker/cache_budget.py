"""Sizes the KV cache: as large as is useful, or as memory allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.memory_limit import UsableMemory
from bot.engine.worker.precision import CACHE_BITS, cache_precisions
from bot.errors import ConfigurationError, ModelDoesNotFitError
from bot.model.config import ModelConfig

WEIGHTS_FACTOR = 1.05
"""Memory for the weights per byte of their file: OpenVINO repacks them for the processor.

Measured 0.9 to 1.0, on files of 0.1 to 2.8 GB with weights of 4, 8, 16 and 32 bits. The file itself stays mapped and
counts in the process's size, but the kernel drops it when memory runs short: next to nothing of it is read again.
"""

WORKING_BYTES = 500_000_000
"""Python, OpenVINO and the intermediate results of a step of 1,024 prompt tokens, at Phi-3-mini's width."""

PART = 0.5
"""The share of the memory beside the model that the cache may take; other programs use the machine too."""

LEAST_TOKENS = 1024
"""A smaller cache is useless: it holds too little of a conversation."""

_SCALE_BYTES = 8
"""A scale and a zero point, for every channel of a block's keys and for every token's value."""


@dataclass(frozen=True, slots=True)
class CacheShape:
    """The shape of what a model caches for each token.

    Attributes:
        layers: layers with a cache.
        key_value_heads: heads with a key and a value, in each layer.
        head_size: numbers in a key, and in a value.
    """

    layers: int
    key_value_heads: int
    head_size: int

    @classmethod
    def read(cls, model_dir: Path) -> CacheShape:
        """Read a model folder's `config.json`.

        Raises:
            ConfigurationError: it does not describe the shape.
        """
        path = model_dir / "config.json"
        try:
            return cls(*ModelConfig.read(model_dir).require("layers", "key_value_heads", "head_size"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{path} does not give num_hidden_layers, num_attention_heads and hidden_size ({error!r}); "
                "export the model again"
            ) from None

    def block_bytes(self, precision: str) -> int:
        """Bytes of a cache block on a processor, with keys and values in this precision."""
        bits = CACHE_BITS[precision]
        size = 2 * BLOCK_TOKENS * self.head_size * bits // 8
        if bits <= 8:
            size += _SCALE_BYTES * (self.head_size + BLOCK_TOKENS)
        return self.layers * self.key_value_heads * size

    def scratch_bytes(self, context: int) -> int:
        """Scratch memory to prefill this many tokens: one layer's keys and values at a time, as 32-bit numbers."""
        return 2 * 4 * self.head_size * self.key_value_heads * context


def cache_precision(model_dir: Path, properties: Mapping[str, str]) -> str:
    """Return the KV cache's precision on a processor; where keys and values differ, the larger one.

    Raises:
        ConfigurationError: a property asks for an unknown precision.
    """
    return max((each.name for each in cache_precisions(model_dir, properties)), key=CACHE_BITS.__getitem__)


def plan_blocks(
    *,
    shape: CacheShape,
    precision: str,
    weights_bytes: int,
    context: int,
    max_batch: int,
    wanted_bytes: int | None,
    memory: UsableMemory,
) -> int:
    """Return the number of blocks of the KV cache.

    Args:
        weights_bytes: size of the weights' file; the model must not be loaded yet.
        context: upper bound in tokens for a prompt and its answer.
        wanted_bytes: the operator's choice for the cache; None sizes it by memory and use.

    Raises:
        ModelDoesNotFitError: the model does not fit, or not with the wanted cache.
    """
    block_bytes = shape.block_bytes(precision)
    least = blocks_for(min(context, LEAST_TOKENS)) + 1
    wanted = least if wanted_bytes is None else max(wanted_bytes // block_bytes, least)
    # The scratch memory is for what the cache can hold, however long the model's own context is.
    needed = memory_without_cache(shape, weights_bytes, min(context, wanted * BLOCK_TOKENS))
    if needed + wanted * block_bytes > memory.bytes:
        with_what = (
            "room for one short conversation" if wanted == least else "the KV cache that KV_CACHE_GIGABYTES asks for"
        )
        # Rounded apart, or both could show the same figure.
        raise ModelDoesNotFitError(
            f"the model needs about {ceil((needed + wanted * block_bytes) / 1e8) / 10} GB with {with_what}, and this "
            f"process may take {floor(memory.bytes / 1e8) / 10} GB ({memory.limit}); use a smaller model, weight "
            "format or cache, or give it more memory"
        )
    if wanted_bytes is not None:
        return wanted
    useful = max_batch * blocks_for(context) + 1
    return max(least, min(_affordable_blocks(shape, block_bytes, weights_bytes, context, memory), useful))


def _affordable_blocks(
    shape: CacheShape, block_bytes: int, weights_bytes: int, context: int, memory: UsableMemory
) -> int:
    """The blocks that take `PART` of the memory which the model and the scratch memory leave."""
    left = memory.bytes - memory_without_cache(shape, weights_bytes, context)
    blocks = int(left * PART) // block_bytes
    if blocks >= blocks_for(context):
        return blocks
    # The context shrinks to the cache, and the scratch memory with it.
    left = memory.bytes - memory_without_cache(shape, weights_bytes, 0)
    return min(int(left * PART / (block_bytes + PART * shape.scratch_bytes(BLOCK_TOKENS))), blocks_for(context))


def memory_without_cache(shape: CacheShape, weights_bytes: int, context: int) -> int:
    """Estimate a worker's memory beside its KV cache, in bytes."""
    return int(weights_bytes * WEIGHTS_FACTOR) + WORKING_BYTES + shape.scratch_bytes(context)
