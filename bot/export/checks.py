"""Estimates what an export takes and refuses it before it starts if this machine has too little."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from bot.engine.worker.memory_limit import UsableMemory, usable_memory
from bot.errors import ConfigurationError
from bot.export.checkpoint import Checkpoint
from bot.export.progress import duration
from bot.export.recipe import Recipe
from bot.own_command import install_command, own_python
from bot.sizes import size

MEMORY_FACTOR = 1.34
MEMORY_BASE_BYTES = 900_000_000
"""Peak memory: the exporter itself, plus this factor times the weights at 16 bits. Phi-3-mini (7.64 GB) in the sample's
recipe peaked at 11.1 GB, a model of 17 MB at 0.9 GB. A data set may add to it."""

JUDGING_BYTES = 1_500_000_000
"""Memory of an engine trial, beyond the weights."""

SECONDS_PER_GIGABYTE = 55.0
SECONDS_BASE = 60.0
"""For each GB of weights at 16 bits, on two cores: Phi-3-mini took 2 min 19 s to export, 6 to 9 minutes in all."""

_FOLDERS_IN_MEMORY = ("tmpfs", "ramfs", "zram")


@dataclass(frozen=True, slots=True)
class Plan:
    """What an export takes, in bytes and seconds.

    Attributes:
        download: still to come from the hub.
        copy: the temporary 16-bit copy that the exporter compresses.
        result: the new version.
        memory: at the peak.
        seconds: a rough estimate, without the download.
    """

    download: int
    copy: int
    result: int
    memory: int
    seconds: float

    @property
    def disk(self) -> int:
        """Disk space at the peak."""
        return self.download + self.copy + self.result


def plan_export(checkpoint: Checkpoint, recipe: Recipe, download: int) -> Plan:
    """Estimate what an export takes; `download` counts the bytes that are still on the hub."""
    weights = checkpoint.sixteen_bit_bytes
    result = recipe.result_bytes(checkpoint.parameters, checkpoint.embedding_parameters)
    return Plan(
        download=download,
        copy=weights if recipe.is_compressed else 0,
        result=result,
        memory=MEMORY_BASE_BYTES + int(MEMORY_FACTOR * weights),
        seconds=SECONDS_BASE + SECONDS_PER_GIGABYTE * weights / 1e9,
    )


def plan_fetch(model_bytes: int, download: int) -> Plan:
    """Estimate what fetching an exported model takes, its trial included."""
    return Plan(download, 0, 0, JUDGING_BYTES + model_bytes, SECONDS_BASE)


def describe_plan(plan: Plan, home: Path) -> list[str]:
    """Return the plan beside what the machine has, one line each."""
    memory = usable_memory()
    disk = _free(home)
    parts = [
        f"{size(count)} {what}"
        for what, count in (("download", plan.download), ("16-bit copy", plan.copy), ("result", plan.result))
        if count
    ]
    lines = [
        f"Memory: about {size(plan.memory)} at the peak; free: {size(memory.bytes)} ({memory.limit})",
        f"Disk: about {size(plan.disk)} ({', '.join(parts)}); free: {size(disk)} in {home}",
        f"Time: about {duration(plan.seconds)} on two cores, plus the download"
        if plan.download
        else f"Time: about {duration(plan.seconds)} on two cores",
    ]
    return lines + _notes_on_folders(plan, home)


def require_room(plan: Plan, home: Path, memory: UsableMemory | None = None) -> None:
    """Fail now instead of minutes later if memory or disk space is too small.

    Args:
        home: the folder with versions.
        memory: what the export may use; None asks the machine.

    Raises:
        ConfigurationError: there is too little of one.
    """
    memory = memory or usable_memory()
    needed = plan.memory + (plan.disk if _is_in_memory(home) else 0)
    if needed > memory.bytes:
        raise ConfigurationError(
            f"this needs about {size(needed)} of memory, and {size(memory.bytes)} is available ({memory.limit}); close "
            "other programs, use a larger machine, or fetch an exported model: --prebuilt"
        )
    free = _free(home)
    if plan.disk > free:
        raise ConfigurationError(
            f"this needs about {size(plan.disk)} of disk space, and {size(free)} is free in {home}; free some space "
            "(--prune removes old versions) or choose a folder on another disk with --output"
        )


def require_packages(recipe: Recipe) -> None:
    """Fail before loading anything if the exporter's packages are missing.

    Raises:
        ConfigurationError: one is not installed.
    """
    for package in ("torch", "optimum.intel", "nncf"):
        if not _is_installed(package):
            raise ConfigurationError(
                f"exporting needs {package.split('.')[0]}, which is not installed; run "
                f"`{install_command('optimum')}`, or fetch an exported model: --prebuilt"
            )
    if recipe.needs_dataset_download and not _is_installed("datasets"):
        raise ConfigurationError(
            f"--dataset {recipe.dataset} needs the package datasets; run `{own_python()} -m pip install datasets`, or "
            "use --dataset auto"
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


def _notes_on_folders(plan: Plan, home: Path) -> list[str]:
    if _is_in_memory(home):
        return [f"Note: {home} is in memory (tmpfs), so files there count as memory."]
    temporary = Path(tempfile.gettempdir())
    if plan.copy and _is_in_memory(temporary):
        return [f"Note: {temporary} is in memory (tmpfs), so the 16-bit copy goes next to the result instead."]
    return []


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _is_in_memory(folder: Path) -> bool:
    """Whether a folder lies on a file system that is held in memory."""
    there = str(_existing(folder))
    mounted = [each for each in psutil.disk_partitions(all=True) if _is_below(there, each.mountpoint)]
    nearest = max(mounted, key=lambda each: len(each.mountpoint), default=None)
    return nearest is not None and nearest.fstype in _FOLDERS_IN_MEMORY


def _is_below(path: str, mountpoint: str) -> bool:
    return path == mountpoint or path.startswith(mountpoint.rstrip(os.sep) + os.sep)


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return folder
