"""The `model_source.json` of a model folder that this project made: where the model comes from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "model_source.json"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model's origin, as far as it is known.

    Attributes:
        name: such as `Phi-3-mini-4k-instruct`.
        source: a hub id, a URL or a path.
        revision: of the source.
        weight_format: such as `int4` or `Q4_1`.
        recipe: one line on how the weights were compressed.
        license: the SPDX name.
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
