"""Checks a device and its properties before the model is loaded: a mistake costs a line, not a minute."""

from __future__ import annotations

from collections.abc import Mapping

import openvino

from bot.engine.worker.backends.backend import one_line
from bot.engine.worker.precision import INFERENCE_PROPERTY
from bot.errors import ConfigurationError

VIRTUAL_DEVICES = ("AUTO", "HETERO", "MULTI")
"""OpenVINO devices that stand for others; `AUTO:GPU,CPU` names which."""


def checked_device(device: str, properties: Mapping[str, str]) -> tuple[str, str]:
    """Return a device's display name, and the precision in which it computes with these properties.

    Raises:
        ConfigurationError: this machine has no such device, or it refuses a property.
    """
    core = openvino.Core()
    name = device_full_name(core, device)
    check_properties(core, device, properties)
    return name, inference_precision(core, device, properties)


def device_full_name(core: openvino.Core, device: str) -> str:
    """Return a device's display name, such as `Intel(R) Core(TM) …`; a virtual device names its parts in brackets.

    Raises:
        ConfigurationError: this machine has no such device.
    """
    available: list[str] = core.available_devices
    parts = _physical_devices(device) or available
    for part in parts:
        if not _exists(part, available):
            raise ConfigurationError(
                f"there is no device {part!r} for OpenVINO here; this machine has {', '.join(available)}; "
                "set DEVICE to one of them or to AUTO"
            )
    names = ", ".join(str(core.get_property(part, "FULL_DEVICE_NAME")) for part in parts)
    return f"{device} ({names})" if device.split(":")[0] in VIRTUAL_DEVICES else names


def check_properties(core: openvino.Core, device: str, properties: Mapping[str, str]) -> None:
    """Try each property on the device, with a model of a single operation.

    Raises:
        ConfigurationError: the device does not know the property, or refuses its value.
    """
    for key, value in properties.items():
        try:
            core.compile_model(_smallest_model(), device, {key: value})
        except RuntimeError as error:
            supported = sorted(core.get_property(device.split(":")[0], "SUPPORTED_PROPERTIES"))
            if key in supported:
                raise ConfigurationError(f"{device} refuses the property {key}={value}: {one_line(error)}") from None
            raise ConfigurationError(
                f"{device} has no OpenVINO property {key!r}; it supports {', '.join(supported)}"
            ) from None


def inference_precision(core: openvino.Core, device: str, properties: Mapping[str, str]) -> str:
    """Return the precision in which a device computes with these properties; empty where it does not say.

    It need not be the one that the properties ask for: the processor may not have it.
    """
    compiled = core.compile_model(_smallest_model(), device, dict(properties))
    try:
        return str(compiled.get_property(INFERENCE_PROPERTY).to_string())
    except RuntimeError:  # virtual devices do not have the property
        return ""


def _physical_devices(device: str) -> list[str]:
    """List the devices that a name stands for; empty means any."""
    head, _, rest = device.partition(":")
    if head not in VIRTUAL_DEVICES:
        return [device]
    return [part.strip().lstrip("-") for part in rest.split(",") if part.strip()]


def _exists(device: str, available: list[str]) -> bool:
    """Whether a device exists under this name: `GPU` is an alias of `GPU.0`."""
    return any(device in (name, f"{name}.0", name.split(".")[0]) for name in available)


def _smallest_model() -> openvino.Model:
    parameter = openvino.opset13.parameter([1], dtype=openvino.Type.f32)
    return openvino.Model([openvino.opset13.relu(parameter)], [parameter])
