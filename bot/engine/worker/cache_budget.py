"""How large the KV cache is made: as large as it can be useful, or as memory allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

from bot.engine.worker.memory_limit import UsableMemory
from bot.engine.worker.paged.prefix_cache import BLOCK_TOKENS, blocks_for
from bot.errors import ConfigurationError, ModelDoesNotFitError
from bot.model.config import ModelConfig

WEIGHTS_FACTOR = 1.05
"""Memory for the weights over the size of their file. OpenVINO packs them anew for the processor, once.

Measured 0.9 to 1.0, on files of 0.1 to 2.8 GB with weights of 4, 8, 16 and 32 bits. The file itself stays mapped and
shows in the process's size, but the kernel drops it when memory gets short: next to nothing of it is read again.
"""

WORKING_BYTES = 500_000_000
"""What Python, OpenVINO and the intermediate results of a step of 1,024 prompt tokens take, for Phi-3-mini's width."""

PART = 0.5
"""Of what the model leaves, the cache may take this much: others use the machine as well."""

LEAST_TOKENS = 1024
"""A cache that holds less of a conversation is of no use."""

_BITS = {"f32": 32, "f16": 16, "bf16": 16, "u8": 8, "u4": 4}
_SCALE_BYTES = 8
"""A scale and a zero point, which come with every channel of a block's keys and with every token's value."""


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What a model keeps for each token it has read.

    Attributes:
        layers: how many layers keep something.
        key_value_heads: how many heads keep a key and a value in each.
        head_size: numbers in a key, and in a value.
    """

    layers: int
    key_value_heads: int
    head_size: int

    @classmethod
    def read(cls, model_dir: Path) -> CacheShape:
        """Read a model folder's `config.json`.

        Raises:
            ConfigurationError: it does not say these things.
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
        """What a block of `BLOCK_TOKENS` tokens takes on a processor, in bytes.

        Args:
            precision: as `cache_precision` returns it.
        """
        bits = _BITS[precision]
        size = 2 * BLOCK_TOKENS * self.head_size * bits // 8
        if bits <= 8:
            size += _SCALE_BYTES * (self.head_size + BLOCK_TOKENS)
        return self.layers * self.key_value_heads * size

    def scratch_bytes(self, context: int) -> int:
        """What reading a prompt of so many tokens takes: one layer's keys and values at a time, as 32-bit numbers."""
        return 2 * 4 * self.head_size * self.key_value_heads * context


def cache_precision(model_dir: Path, properties: Mapping[str, str]) -> str:
    """Find out how OpenVINO will store keys and values on a processor.

    A property decides, then the accuracy mode, then the model: the exporter marks a model that it did not compress.

    Args:
        model_dir: the folder with `openvino_model.xml`.
        properties: OpenVINO properties that the model is loaded with.

    Returns:
        `f32`, `f16`, `bf16`, `u8` or `u4`; where keys and values differ, what takes more.

    Raises:
        ConfigurationError: a property asks for something else.
    """
    if properties.get("EXECUTION_MODE_HINT") == "ACCURACY":
        usual = "f32"
    elif "KV_CACHE_PRECISION" in properties:
        usual = properties["KV_CACHE_PRECISION"]
    else:
        marked = re.search(rb'<KV_CACHE_PRECISION value="(\w+)"', (model_dir / "openvino_model.xml").read_bytes())
        usual = marked[1].decode() if marked else "u8"
    both = [properties.get(name, usual).lower() for name in ("KEY_CACHE_PRECISION", "VALUE_CACHE_PRECISION")]
    if strange := next((each for each in both if each not in _BITS), None):
        raise ConfigurationError(
            f"the KV cache cannot be stored as {strange}; set KV_CACHE_PRECISION in DEVICE_PROPERTIES to one of "
            + ", ".join(_BITS)
        )
    return max(both, key=_BITS.__getitem__)


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
    """Decide how many blocks the KV cache has.

    Args:
        shape: what the model keeps for each token.
        precision: how it is stored.
        weights_bytes: size of the file with the model's weights, which is not loaded yet.
        context: the most tokens of a prompt and its answer.
        max_batch: the most requests that are generated together.
        wanted_bytes: what the person who runs the bot wants for the cache; None leaves it to this function.
        memory: what the process may take.

    Raises:
        ModelDoesNotFitError: the model does not fit, or not with the cache that is wanted.
    """
    block_bytes = shape.block_bytes(precision)
    needed = memory_without_cache(shape, weights_bytes, context)
    least = blocks_for(min(context, LEAST_TOKENS)) + 1
    wanted = least if wanted_bytes is None else max(wanted_bytes // block_bytes, least)
    if needed + wanted * block_bytes > memory.bytes:
        with_what = (
            "room for one short conversation" if wanted == least else "the KV cache that KV_CACHE_GIGABYTES asks for"
        )
        # Rounded away from each other, or the two might read alike.
        raise ModelDoesNotFitError(
            f"the model needs about {ceil((needed + wanted * block_bytes) / 1e8) / 10} GB with {with_what}, and this "
            f"process may take {floor(memory.bytes / 1e8) / 10} GB ({memory.limit}); use a smaller model, weight "
            "format or cache, or give it more memory"
        )
    if wanted_bytes is not None:
        return wanted
    affordable = int((memory.bytes - needed) * PART) // block_bytes
    useful = max_batch * blocks_for(context) + 1
    return max(least, min(affordable, useful))


def memory_without_cache(shape: CacheShape, weights_bytes: int, context: int) -> int:
    """Estimate the memory of an engine process beside its KV cache, in bytes."""
    return int(weights_bytes * WEIGHTS_FACTOR) + WORKING_BYTES + shape.scratch_bytes(context)
