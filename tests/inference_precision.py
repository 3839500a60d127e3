"""Runs the suite in a chosen inference precision: `TEST_INFERENCE_PRECISION=bf16 make test`.

Without the variable tests run as the bot does, in f32. Tests of what does not depend on the precision follow the
variable, through `chosen_precision` or through the bot's own settings, which `tests/conftest.py` sets for all. Tests
that compare exact values use `EXACT`.
"""

from __future__ import annotations

import os

VARIABLE = "TEST_INFERENCE_PRECISION"
EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
"""Properties with which the same prompt gets the same answer in any batch, on any backend and any processor."""


def chosen_precision() -> dict[str, str]:
    """Properties that set the chosen precision; none without the variable."""
    precision = os.environ.get(VARIABLE)
    return {"INFERENCE_PRECISION_HINT": precision} if precision else {}


def apply_to_settings() -> None:
    """Make the bot's settings, in this process and its children, follow the variable too."""
    if properties := chosen_precision():
        os.environ.setdefault("DEVICE_PROPERTIES", ",".join(f"{name}={value}" for name, value in properties.items()))
