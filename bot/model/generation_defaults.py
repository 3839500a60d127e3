"""A model's `generation_config.json`: the sampling that its makers recommend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GenerationDefaults:
    """The sampling where the operator decides nothing else.

    As in transformers' `GenerationConfig`, a file without `do_sample` means the likeliest token, despite a temperature.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_p: draw from the likeliest tokens that together reach this probability.
        top_k: draw from this many likeliest tokens; 0 is all.
        repetition_penalty: above 1, tokens that occurred before become less likely.
        max_new_tokens: the longest answer; None if the file does not limit it.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    max_new_tokens: int | None = None

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> GenerationDefaults:
        """Interpret the parsed file; a missing value or one out of range means the default."""
        draws = document.get("do_sample") is True
        length = _number(document, "max_new_tokens", 0, at_least=0)
        return cls(
            temperature=_number(document, "temperature", 1.0, at_least=0, at_most=2) if draws else 0.0,
            top_p=_number(document, "top_p", 1.0, at_least=0.01, at_most=1),
            top_k=int(_number(document, "top_k", 0, at_least=0)),
            repetition_penalty=_number(document, "repetition_penalty", 1.0, at_least=0.5, at_most=2),
            max_new_tokens=int(length) or None,
        )


def _number(document: Mapping[str, Any], key: str, default: float, *, at_least: float, at_most: float = 1e6) -> float:
    value = document.get(key)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and at_least <= value <= at_most
    return float(value) if usable else default  # type: ignore[arg-type]  # a number, as just checked
