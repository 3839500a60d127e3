"""The machine, packages and model behind a report's figures."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
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

INSTRUCTIONS: Mapping[str, frozenset[str]] = {
    "VNNI": frozenset({"avx512_vnni", "avx_vnni"}),
    "BF16": frozenset({"avx512_bf16", "amx_bf16"}),
    "AMX": frozenset({"amx_tile"}),
}
"""The instructions on which a processor's speed with a language model depends, with Linux's names for them."""

_PROCESSORS = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, Any]:
    """Return the hardware, the operating system and the versions of the packages that matter."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(logical=False),
        "threads": psutil.cpu_count(),
        "instructions": _instructions(),
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


def _instructions() -> dict[str, bool]:
    """Return which of `INSTRUCTIONS` the processor has; nothing where the operating system does not say."""
    with suppress(OSError):
        if found := re.search(r"^flags\s*:(.*)$", _PROCESSORS.read_text(encoding="utf-8"), re.MULTILINE):
            flags = set(found[1].split())
            return {name: bool(flags & names) for name, names in INSTRUCTIONS.items()}
    return {}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
