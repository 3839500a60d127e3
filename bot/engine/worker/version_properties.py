"""The properties that a version brings along, below what the operator sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.device_properties import FILE_NAME, GROUP_SIZE_PROPERTY, read_device_properties


def with_version_properties(model_dir: Path, device: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Return the operator's properties, and those of the model folder's `device_properties.json` that they do not set.

    Raises:
        ConfigurationError: that file is unusable.
    """
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
