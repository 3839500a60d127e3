"""The machine, packages and model behind a report's figures."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from bot.model.folder import ModelFolder

_PACKAGES = (
    "openvino",
    "openvino-genai",
    "optimum-intel",
    "torch",
    "transformers",
    "tokenizers",
    "discord.py",
    "simcord",
)


def describe_machine() -> dict[str, Any]:
    """Return the hardware, the operating system and the versions of the packages that matter."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "operating_system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_model(folder: ModelFolder) -> dict[str, Any]:
    """Return the model's name, architecture, recipe and sizes."""
    return {
        "name": folder.name,
        "architecture": folder.architecture,
        "recipe": folder.recipe,
        "size_bytes": folder.size_bytes,
        "context_length": folder.context_length,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
