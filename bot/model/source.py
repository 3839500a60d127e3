"""Where a model folder came from: the `model_source.json` that this project writes into it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "model_source.json"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What is known about a model's origin; None where nothing is known.

    Attributes:
        name: what people call the model, such as `Phi-3-mini-4k-instruct`.
        source: where it was taken from: a hub id, an address or a path.
        revision: which version of the source.
        weight_format: how a weight is stored, such as `int4` or `Q4_1`.
        recipe: one human line on how the weights were compressed.
        license: the SPDX name of the model's licence.
    """

    name: str | None = None
    source: str | None = None
    revision: str | None = None
    weight_format: str | None = None
    recipe: str | None = None
    license: str | None = None


def write_model_source(folder: Path, model_source: ModelSource) -> None:
    """Write `model_source.json` into a model folder."""
    text = json.dumps(asdict(model_source), indent=2) + "\n"
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
