"""The child that asks OpenVINO about the device: OpenVINO is never loaded into the process that examines the setup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.errors import ConfigurationError
from bot.prompting.child_side import answer

_PROCESSOR_SECONDS = 300.0
_MEMORY_BYTES = 1 << 62  # no limit: it is our own work, and a GPU's plugin reserves much


def main() -> None:
    """Answer one job: `device` and `properties`. The result has `name` and `precision`, or `refusal`, an error line."""
    answer(_examine, seconds=_PROCESSOR_SECONDS, memory_bytes=_MEMORY_BYTES)


def _examine(job: Mapping[str, Any]) -> dict[str, str]:
    from bot.engine.worker.devices import checked_device

    try:
        name, precision = checked_device(job["device"], job["properties"])
    except ConfigurationError as error:
        return {"refusal": str(error)}
    return {"name": name, "precision": precision}
