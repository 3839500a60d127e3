"""A model with a paged KV cache: one call advances any number of sequences by any number of tokens each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
import openvino
from numpy.typing import NDArray
from openvino import opset13
from openvino._offline_transformations import paged_attention_transformation

from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.long_rope import LONG_FACTORS, UnknownRotaryGraphError, choose_factors_by_token
from bot.errors import ConfigurationError

_LAST_TOKENS = "last_tokens"


@dataclass(frozen=True, slots=True)
class Advance:
    """One sequence's part in a step.

    Attributes:
        tokens: the token ids to compute, at least one.
        past: tokens of the sequence that the cache holds before them.
        blocks: numbers of the cache blocks for `past` and `tokens` together, in order.
        long_factors: whether it takes the long factors of a model with LongRoPE, as its past did.
        every_token: whether logits are wanted after each token, and not only after the last.
    """

    tokens: Sequence[int]
    past: int
    blocks: Sequence[int]
    long_factors: bool = False
    every_token: bool = False


class PagedModel:
    """A causal language model on one device, with a KV cache in blocks.

    OpenVINO's own transformation, which openvino-genai applies too, replaces the model's stateful cache by paged
    attention.

    Attributes:
        original_context: in a model with LongRoPE, the most tokens of a sequence with short factors; None in another
            model, and where each sequence cannot have factors of its own.
        cache_layout: how a block is stored: a line for each of its parts, in the order of `block_bytes`.
        cache_bytes: memory of the whole KV cache.
    """

    def __init__(
        self,
        model_dir: Path,
        device: str,
        properties: Mapping[str, str],
        blocks: int,
    ) -> None:
        """Load and compile a model.

        Args:
            model_dir: the folder with `openvino_model.xml`.
            blocks: size of the KV cache. A block takes memory on its first use.

        Raises:
            ConfigurationError: the transformation finds no attention in the model.
            RuntimeError: OpenVINO cannot load it.
        """
        core = openvino.Core()
        model = core.read_model(model_dir / "openvino_model.xml")
        paged_attention_transformation(model)
        caches = [each.any_name for each in model.inputs if _is_cache(each.any_name)]
        if not caches:
            raise ConfigurationError(f"the model in {model_dir} has no attention to batch; set ENGINE=optimum")
        _keep_last_tokens_only(model)
        try:
            self.original_context = choose_factors_by_token(model)
        except UnknownRotaryGraphError:
            self.original_context = None
        self._request = core.compile_model(model, device, dict(properties)).create_infer_request()
        inputs = [each for each in self._request.model_inputs if _is_cache(each.any_name)]
        self._caches = [self._allocate(each, blocks) for each in inputs]
        self._bytes = [cache.view(numpy.uint8).reshape(blocks, -1) for cache in self._caches]
        self._rows = [_rows_of(cache, each) for cache, each in zip(self._bytes, inputs, strict=True)]
        self.cache_layout = [f"{each.any_name} {each.element_type} {each.partial_shape}" for each in inputs]
        self.cache_bytes = sum(cache.nbytes for cache in self._caches)

    def _allocate(self, cache: openvino.ConstOutput, blocks: int) -> NDArray[numpy.generic]:
        # Only the device knows a block's layout and padding.
        block_shape = [size.get_length() for size in list(cache.partial_shape)[1:]]
        tensor = openvino.Tensor(cache.element_type, openvino.Shape([blocks, *block_shape]))
        self._request.set_tensor(cache.any_name, tensor)
        # Numbers smaller than a byte come without their shape.
        data: NDArray[numpy.generic] = tensor.data.reshape(blocks, -1)
        return data

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of all layers from one block to another."""
        for cache in self._caches:
            cache[target] = cache[source]

    def clear_after(self, number: int, tokens: int) -> None:
        """Clear what a block holds after its first tokens: rejected drafts, and whatever it was used for before."""
        for rows in self._rows:
            rows[number, :, tokens:] = 0

    def block_bytes(self, number: int) -> list[memoryview]:
        """The memory of a block: the keys of each layer, and the values."""
        return [memoryview(part[number]) for part in self._bytes]

    def advance(self, sequences: Sequence[Advance]) -> NDArray[numpy.float32]:
        """Compute the tokens of all sequences in one step.

        Returns:
            Logits after the last token of each sequence, or after each of its tokens, in order; shape [tokens,
            vocabulary]; valid until the next call.
        """
        ends = numpy.cumsum([len(each.tokens) for each in sequences])
        wanted = _joined(
            [
                range(end - (len(each.tokens) if each.every_token else 1), end)
                for each, end in zip(sequences, ends, strict=True)
            ],
            numpy.int64,
        )
        inputs = {
            "input_ids": _joined([each.tokens for each in sequences], numpy.int64),
            "position_ids": _joined(
                [range(each.past, each.past + len(each.tokens)) for each in sequences], numpy.int64
            ),
            "past_lens": numpy.array([each.past for each in sequences], numpy.int32),
            "subsequence_begins": numpy.array([0, *ends], numpy.int32),
            "block_indices": _joined([each.blocks for each in sequences], numpy.int32),
            "block_indices_begins": numpy.cumsum([0, *(len(each.blocks) for each in sequences)], dtype=numpy.int32),
            "max_context_len": numpy.array(max(each.past + len(each.tokens) for each in sequences), numpy.int32),
            _LAST_TOKENS: wanted,
        }
        if self.original_context is not None:
            inputs[LONG_FACTORS] = numpy.repeat(
                [[each.long_factors] for each in sequences], [len(each.tokens) for each in sequences], axis=0
            )
        for name, values in inputs.items():
            self._request.set_tensor(name, openvino.Tensor(values))
        self._request.infer()
        logits: NDArray[numpy.float32] = self._request.get_output_tensor(0).data.reshape(len(wanted), -1)
        return logits


def _rows_of(cache: NDArray[numpy.uint8], tensor: openvino.ConstOutput) -> NDArray[numpy.uint8]:
    """View a cache's bytes by block, head, token and channel; scales that tokens share come before the tokens."""
    heads, rows = (size.get_length() for size in list(tensor.partial_shape)[1:3])
    return cache.reshape(len(cache), heads, rows, -1)[:, :, rows - BLOCK_TOKENS :]


def _is_cache(name: str) -> bool:
    return name.startswith(("key_cache.", "value_cache."))


def _keep_last_tokens_only(model: openvino.Model) -> None:
    """Compute logits only after each sequence's last token: those inside a prompt have no use."""
    head = model.outputs[0].get_node()
    while head.get_type_name() != "MatMul":
        head = head.input_value(0).get_node()
    wanted = opset13.parameter([-1], numpy.int64, name=_LAST_TOKENS)
    wanted.output(0).tensor.set_names({_LAST_TOKENS})
    chosen = opset13.gather(head.input_value(0), wanted, opset13.constant(numpy.int64(0)))
    head.input(0).replace_source_output(chosen.output(0))
    model.add_parameters([wanted])
    model.validate_nodes_and_infer_types()


def _joined(parts: Sequence[Sequence[int]], kind: type) -> NDArray[numpy.generic]:
    return numpy.concatenate([numpy.array(part, kind) for part in parts])
