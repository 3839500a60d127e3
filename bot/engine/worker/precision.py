"""Number formats on a processor: pins the one of inference, resolves those of the KV cache, refuses what conflicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ConfigurationError

INFERENCE_PROPERTY = "INFERENCE_PRECISION_HINT"
DEFAULT_INFERENCE_PRECISION = "f32"
"""Left alone, OpenVINO computes in bf16 where the processor has it, and the same model answers differently there."""

KEY_SCALES_PROPERTY = "KEY_CACHE_QUANT_MODE"
"""How the compressed keys of a cache block are scaled; OpenVINO's header files name it, its documentation does not."""
OWN_SCALES = "BY_TOKEN"
"""OpenVINO's own default gives each channel of a block one scale: there a token's key depends on what was written after
it, even if that is taken back.
"""
_OWN_SCALES_SUFFICE = ("u8",)
"""Keys of u4 need a scale for each channel: with SmolLM2, one for each token costs 12 points of agreement with f32, and
keys of u8 lose half a point.
"""

CACHE_BITS = {"f32": 32, "f16": 16, "bf16": 16, "u8": 8, "u4": 4}
"""Bits of a stored number in each precision of the KV cache."""

_UNCOMPRESSED_CACHES = {"f32": ("f32", "f16"), "dynamic": ("f32", "f16"), "bf16": ("bf16", "f16"), "f16": ("f16",)}
"""What paged attention accepts beside u8 and u4, by inference precision. Tried out with OpenVINO 2026.4.1."""


@dataclass(frozen=True, slots=True)
class CachePrecision:
    """How keys, or values, are stored.

    Attributes:
        name: a key of `CACHE_BITS`.
        cause: the setting behind it, for error lines.
    """

    name: str
    cause: str

    @property
    def compressed(self) -> bool:
        """Whether numbers are stored with a scale and a zero point."""
        return CACHE_BITS[self.name] <= 8


def with_default_precision(device: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Return the properties with the default inference precision, unless they set one or the device is no processor."""
    default = {INFERENCE_PROPERTY: DEFAULT_INFERENCE_PRECISION} if device == "CPU" else {}
    return {**default, **properties}


def with_own_scales(model_dir: Path, properties: Mapping[str, str]) -> dict[str, str]:
    """Return the properties with a scale for each token's key, unless they decide otherwise or that is too coarse."""
    key, _ = cache_precisions(model_dir, properties)
    default = {KEY_SCALES_PROPERTY: OWN_SCALES} if key.name in _OWN_SCALES_SUFFICE else {}
    return {**default, **properties}


def tokens_share_scales(model_dir: Path, properties: Mapping[str, str]) -> bool:
    """Whether a token in a cache block changes how those before it are stored, so that it cannot be taken back."""
    key, _ = cache_precisions(model_dir, properties)
    return key.compressed and properties.get(KEY_SCALES_PROPERTY) != OWN_SCALES


def cache_precisions(model_dir: Path, properties: Mapping[str, str]) -> tuple[CachePrecision, CachePrecision]:
    """Work out how OpenVINO stores keys and values on a processor.

    A property of their own decides, then the accuracy mode, then the common property, then the model: the exporter
    marks a model whose weights it did not compress.

    Raises:
        ConfigurationError: a property asks for an unknown precision.
    """
    common = _common_cache_precision(model_dir, properties)
    key, value = (
        CachePrecision(properties[name].lower(), f"{name}={properties[name]}") if name in properties else common
        for name in ("KEY_CACHE_PRECISION", "VALUE_CACHE_PRECISION")
    )
    for each in (key, value):
        if each.name not in CACHE_BITS:
            raise ConfigurationError(
                f"the KV cache cannot be stored as {each.name}; set KV_CACHE_PRECISION in DEVICE_PROPERTIES to one of "
                + ", ".join(CACHE_BITS)
            )
    return key, value


def _common_cache_precision(model_dir: Path, properties: Mapping[str, str]) -> CachePrecision:
    if properties.get("EXECUTION_MODE_HINT") == "ACCURACY":
        return CachePrecision("f32", "EXECUTION_MODE_HINT=ACCURACY (a KV cache of f32)")
    if "KV_CACHE_PRECISION" in properties:
        wanted = properties["KV_CACHE_PRECISION"]
        return CachePrecision(wanted.lower(), f"KV_CACHE_PRECISION={wanted}")
    marked = re.search(rb'<KV_CACHE_PRECISION value="(\w+)"', (model_dir / "openvino_model.xml").read_bytes())
    name = marked[1].decode().lower() if marked else "u8"
    return CachePrecision(name, f"the model's own KV_CACHE_PRECISION={name}")


def check_cache_precision(model_dir: Path, properties: Mapping[str, str], inference: str) -> None:
    """Refuse a KV cache that paged attention cannot use with the inference precision.

    OpenVINO itself refuses it only after it has compiled the model, with a line about its own sources.

    Args:
        model_dir: the folder with `openvino_model.xml`.
        properties: what the model is loaded with.
        inference: the precision in effect, as the device reports it.

    Raises:
        ConfigurationError: two settings exclude each other.
    """
    key, value = cache_precisions(model_dir, properties)
    if key.compressed != value.compressed:
        raise _conflict(key.cause, value.cause, "keys and values are either both compressed (u8, u4) or both not")
    accepted = _UNCOMPRESSED_CACHES.get(inference)
    for each in (key, value):
        if accepted and not each.compressed and each.name not in accepted:
            hint = f"{INFERENCE_PROPERTY}={properties.get(INFERENCE_PROPERTY, inference)}"
            caches = ", ".join((*accepted, "u8"))
            raise _conflict(each.cause, hint, f"with {inference} inference the KV cache can be {caches} or u4")


def _conflict(one: str, other: str, rule: str) -> ConfigurationError:
    return ConfigurationError(f"{one} and {other} exclude each other: {rule}; change one in DEVICE_PROPERTIES")
