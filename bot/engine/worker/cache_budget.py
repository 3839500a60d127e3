"""Sizes the KV cache: as large as is useful, or as memory allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
"""A scale and a zero point, for every token's value, and for every channel of a block's keys or every token's key."""


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

    def block_bytes(self, precision: str, *, keys_by_token: bool = False) -> int:
        """Bytes of a cache block on a processor.

        Args:
            precision: of keys and values.
            keys_by_token: whether compressed keys have a scale for each token, not for each channel.
        """
        bits = CACHE_BITS[precision]
        size = 2 * BLOCK_TOKENS * self.head_size * bits // 8
        if bits <= 8:
            size += _SCALE_BYTES * ((BLOCK_TOKENS if keys_by_token else self.head_size) + BLOCK_TOKENS)
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


@dataclass(frozen=True, slots=True)
class ModelMemory:
    """What a model takes of a processor's memory.

    Attributes:
        shape: of its cache.
        block_bytes: size of a cache block.
        weights_bytes: size of the weights' file.
    """

    shape: CacheShape
    block_bytes: int
    weights_bytes: int

    @classmethod
    def read(cls, model_dir: Path, properties: Mapping[str, str]) -> ModelMemory:
        """Read a model folder.

        Raises:
            ConfigurationError: its `config.json` does not describe the cache, or a property asks for an unknown
                precision.
            OSError: its files cannot be read.
        """
        shape, precision = CacheShape.read(model_dir), cache_precision(model_dir, properties)
        keys_by_token = properties.get("KEY_CACHE_QUANT_MODE") == "BY_TOKEN"
        block_bytes = shape.block_bytes(precision, keys_by_token=keys_by_token)
        return cls(shape, block_bytes, (model_dir / "openvino_model.bin").stat().st_size)


def plan_blocks(
    *,
    models: Sequence[ModelMemory],
    context: int,
    max_batch: int,
    wanted_bytes: int | None,
    memory: UsableMemory,
) -> int:
    """Return the number of blocks of each model's KV cache.

    Args:
        models: the model, and the draft model if there is one. None of them must be loaded yet.
        context: upper bound in tokens for a prompt and its answer.
        wanted_bytes: the operator's choice for the caches together; None sizes them by memory and use.

    Raises:
        ModelDoesNotFitError: the models do not fit, or not with the wanted caches.
    """
    block_bytes = sum(each.block_bytes for each in models)
    least = blocks_for(min(context, LEAST_TOKENS)) + 1
    wanted = least if wanted_bytes is None else max(wanted_bytes // block_bytes, least)
    # The scratch memory is for what the cache can hold, however long the model's own context is.
    needed = memory_without_cache(models, min(context, wanted * BLOCK_TOKENS))
    if needed + wanted * block_bytes > memory.bytes:
        who = "the model needs" if len(models) == 1 else "the model and the draft model need"
        with_what = (
            "room for one short conversation" if wanted == least else "the KV cache that KV_CACHE_GIGABYTES asks for"
        )
        # Rounded apart, or both could show the same figure.
        raise ModelDoesNotFitError(
            f"{who} about {ceil((needed + wanted * block_bytes) / 1e8) / 10} GB with {with_what}, and this "
            f"process may take {floor(memory.bytes / 1e8) / 10} GB ({memory.limit}); use a smaller model, weight "
            "format or cache, or give it more memory"
        )
    if wanted_bytes is not None:
        return wanted
    useful = max_batch * blocks_for(context) + 1
    return max(least, min(_affordable_blocks(models, block_bytes, context, memory), useful))


def _affordable_blocks(models: Sequence[ModelMemory], block_bytes: int, context: int, memory: UsableMemory) -> int:
    """The blocks that take `PART` of the memory which the models and the scratch memory leave."""
    left = memory.bytes - memory_without_cache(models, context)
    blocks = int(left * PART) // block_bytes
    if blocks >= blocks_for(context):
        return blocks
    # The context shrinks to the cache, and the scratch memory with it.
    left = memory.bytes - memory_without_cache(models, 0)
    scratch_bytes = sum(each.shape.scratch_bytes(BLOCK_TOKENS) for each in models)
    return min(int(left * PART / (block_bytes + PART * scratch_bytes)), blocks_for(context))


def memory_without_cache(models: Sequence[ModelMemory], context: int) -> int:
    """Estimate a worker's memory beside its KV cache, in bytes."""
    return WORKING_BYTES + sum(
        int(each.weights_bytes * WEIGHTS_FACTOR) + each.shape.scratch_bytes(context) for each in models
    )
