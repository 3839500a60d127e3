"""The `device_properties.json` of a model folder: the OpenVINO properties that its export found best for it.

A model folder may come from anywhere, so only properties that change speed and rounding are accepted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from bot.model.files import parse_object, read_file

FILE_NAME = "device_properties.json"
GROUP_SIZE_PROPERTY = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
GROUP_SIZES = ("32", "64", "128")
"""How many activations share a scale in dynamic quantization; OpenVINO's default comes first."""

_DEVICE = "CPU"
_ACCEPTED = {GROUP_SIZE_PROPERTY: GROUP_SIZES}
_MOST_BYTES = 10_000
_SHOWN_CHARACTERS = 60


def read_device_properties(folder: Path) -> dict[str, str]:
    """Return the properties that a model folder sets for a processor; empty without the file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or sets what no export does.
    """
    try:
        document = parse_object(read_file(folder / FILE_NAME, _MOST_BYTES), FILE_NAME)
    except FileNotFoundError:
        return {}
    for device, properties in document.items():
        if device != _DEVICE or not isinstance(properties, dict):
            raise ValueError(f"{FILE_NAME} holds {_shown(device)}, and may only hold an object named {_DEVICE}")
        for name, value in properties.items():
            _require_accepted(name, value)
    return dict(document.get(_DEVICE, {}))


def write_device_properties(folder: Path, properties: Mapping[str, str]) -> None:
    """Set a model folder's properties for a processor; without any, the file goes."""
    path = folder / FILE_NAME
    if properties:
        path.write_text(json.dumps({_DEVICE: dict(properties)}, indent=2) + "\n", encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def _require_accepted(name: str, value: object) -> None:
    if name not in _ACCEPTED:
        raise ValueError(f"{FILE_NAME} sets {_shown(name)}, and may only set {', '.join(_ACCEPTED)}")
    if value not in _ACCEPTED[name]:
        accepted = ", ".join(_ACCEPTED[name])
        raise ValueError(f"{FILE_NAME} sets {name} to {_shown(value)}, and may only set it to {accepted}")


def _shown(value: object) -> str:
    """Any value on one short line."""
    return ascii(value)[:_SHOWN_CHARACTERS]
