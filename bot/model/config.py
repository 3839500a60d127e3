"""A model's `config.json`, as transformers writes it: the one place that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.model.files import parse_object, read_file, text_in

FILE_NAME = "config.json"

_KEYS = {
    "context_length": "max_position_embeddings",
    "vocabulary_size": "vocab_size",
    "layers": "num_hidden_layers",
    "key_value_heads": "num_key_value_heads or num_attention_heads",
    "head_size": "head_dim or hidden_size",
}

WRONG_ON_PAGED_ATTENTION = frozenset({"gpt_neo", "gpt_neox_japanese", "mpt", "xglm"})
"""Types that the engines `paged` and `genai` cannot run. Tried out with OpenVINO 2026.4.1, whose paged attention
silently loses ALiBi as MPT has it and GPT-Neo's windows, and finds no attention in the others."""

_LARGEST = 2**31 - 1  # no model comes near, and the engines count in 32 bits


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the file says. None, or nothing, where it does not say it or says something unusable.

    Attributes:
        context_length: how many tokens a prompt and its answer may have together. A sliding window does not
            shorten it.
        original_context: in a model with LongRoPE, the most tokens of a sequence with short factors; None if it is no
            shorter than the context.
        vocabulary_size: rows of the embedding; token ids are below it.
        hidden_size: width of the residual stream.
        layers: number of decoder layers.
        key_value_heads: heads with keys and values of their own in each layer.
        head_size: numbers in a key, and in a value.
        eos_token_ids: the stop tokens; `generation_config.json` may name more.
        architectures: the model's classes in transformers, such as `Phi3ForCausalLM`.
        model_type: the model's family in transformers, such as `phi3`.
        origin: where the file's writer loaded the model from: a hub id or a path.
        dtype: the weights' number format, such as `bfloat16`.
        ties_embeddings: whether the last layer shares the embedding's weights.
        has_own_code: whether the repository brings Python code for the model.
    """

    context_length: int | None
    original_context: int | None
    vocabulary_size: int | None
    hidden_size: int | None
    layers: int | None
    key_value_heads: int | None
    head_size: int | None
    eos_token_ids: frozenset[int]
    architectures: tuple[str, ...]
    model_type: str | None
    origin: str | None
    dtype: str | None
    ties_embeddings: bool
    has_own_code: bool

    @classmethod
    def read(cls, folder: Path) -> ModelConfig:
        """Read a model folder's file.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a JSON object, or too large for one.
        """
        return cls.parse(read_file(folder / FILE_NAME))

    @classmethod
    def parse(cls, content: bytes) -> ModelConfig:
        """Parse the file's content.

        Raises:
            ValueError: it is not a JSON object.
        """
        return cls.from_document(parse_object(content, FILE_NAME))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ModelConfig:
        """Interpret the parsed file."""
        heads, hidden_size = (_positive(document, key) for key in ("num_attention_heads", "hidden_size"))
        architectures = document.get("architectures")
        return cls(
            context_length=_positive(document, "max_position_embeddings"),
            original_context=_original_context(document),
            vocabulary_size=_positive(document, "vocab_size"),
            hidden_size=hidden_size,
            layers=_positive(document, "num_hidden_layers"),
            key_value_heads=_positive(document, "num_key_value_heads") or heads,
            head_size=_positive(document, "head_dim") or (hidden_size // heads if hidden_size and heads else None),
            eos_token_ids=eos_token_ids(document),
            architectures=tuple(map(str, architectures)) if isinstance(architectures, list) else (),
            model_type=text_in(document, "model_type"),
            origin=text_in(document, "_name_or_path"),
            dtype=text_in(document, "dtype") or text_in(document, "torch_dtype"),
            ties_embeddings=bool(document.get("tie_word_embeddings")),
            has_own_code=bool(document.get("auto_map")),
        )

    def require(
        self, *names: Literal["context_length", "vocabulary_size", "layers", "key_value_heads", "head_size"]
    ) -> tuple[int, ...]:
        """Return these numbers, in this order.

        Raises:
            ValueError: the file lacks one; the message names its key.
        """
        numbers = {name: getattr(self, name) for name in names}
        if missing := [_KEYS[name] for name, number in numbers.items() if number is None]:
            raise ValueError(f"{FILE_NAME} has no usable {missing[0]}")
        return tuple(numbers.values())


def eos_token_ids(document: Mapping[str, Any]) -> frozenset[int]:
    """Return the stop tokens that a `config.json` or a `generation_config.json` names."""
    value = document.get("eos_token_id")
    return frozenset(each for each in (value if isinstance(value, list) else [value]) if type(each) is int)


def _original_context(document: Mapping[str, Any]) -> int | None:
    """Read what transformers calls `original_max_position_embeddings`: with LongRoPE the factors change beyond it."""
    key = "original_max_position_embeddings"
    # transformers before version 5 wrote `rope_scaling`, and "type" or even "su" in it.
    scaling = document.get("rope_parameters") or document.get("rope_scaling")
    if not isinstance(scaling, dict) or (scaling.get("rope_type") or scaling.get("type")) not in ("longrope", "su"):
        return None
    original = _positive(document, key) or _positive(scaling, key)
    context = _positive(document, "max_position_embeddings")
    return original if original and context and original < context else None


def _positive(document: Mapping[str, Any], key: str) -> int | None:
    value = document.get(key)
    return value if type(value) is int and 0 < value <= _LARGEST else None
