"""The OpenVINO properties that a model is loaded with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.engine.worker.precision import with_default_precision, with_own_scales
from bot.errors import ConfigurationError
from bot.model.device_properties import FILE_NAME, GROUP_SIZE_PROPERTY, read_device_properties


def loading_properties(engine: str, device: str, model_dir: Path, properties: Mapping[str, str]) -> dict[str, str]:
    """Return the operator's properties, below them the version's own, and below those the engine's defaults.

    Raises:
        ConfigurationError: the version's are unusable, or some exclude each other.
    """
    chosen = with_default_precision(device, _with_version_properties(model_dir, device, properties))
    return with_own_scales(model_dir, chosen) if engine == "paged" and device == "CPU" else chosen


def _with_version_properties(model_dir: Path, device: str, properties: Mapping[str, str]) -> dict[str, str]:
    if device != "CPU":
        return dict(properties)
    try:
        own = read_device_properties(model_dir)
    except (OSError, ValueError) as error:
        cause = f"{FILE_NAME} cannot be read ({error.strerror})" if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"the model folder {model_dir} cannot be used: {cause}; export the model again, or go back to the previous "
            "version"
        ) from error
    if properties.get("EXECUTION_MODE_HINT") == "ACCURACY":
        # OpenVINO then turns dynamic quantization off, unless something sets a group size.
        own.pop(GROUP_SIZE_PROPERTY, None)
    return {**own, **properties}
