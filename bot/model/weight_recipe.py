"""Describes how a model's weights were compressed, from the settings that its exporter recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SYMMETRY = {"sym": "symmetric", "asym": "asymmetric"}


@dataclass(frozen=True, slots=True)
class WeightRecipe:
    """How most weights are stored, such as `int4`, and one line with the settings behind it."""

    weight_format: str | None = None
    line: str | None = None


def recipe_from_nncf(settings: Mapping[str, str]) -> WeightRecipe:
    """Return the recipe that NNCF recorded in the model.

    Args:
        settings: `mode` (such as `int4_sym`), `group_size` (-1: one scale a row) and `ratio` (the share of
            weights in that mode), as NNCF writes them; empty if it recorded nothing.
    """
    if "mode" not in settings:
        return WeightRecipe()
    weight_format, _, symmetry = settings["mode"].partition("_")
    parts = [f"{weight_format} {_SYMMETRY.get(symmetry, symmetry)}".rstrip()]
    if "group_size" in settings:
        group_size = settings["group_size"]
        parts.append("per channel" if group_size == "-1" else f"group size {group_size}")
    if "ratio" in settings:
        parts.append(f"ratio {settings['ratio']}")
    return WeightRecipe(weight_format, ", ".join(parts))
