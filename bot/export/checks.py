"""What an export will take, held against what this machine has, before anything is begun."""

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
from bot.export.progress import duration, size
from bot.export.recipe import Recipe

MEMORY_FACTOR = 1.34
MEMORY_BASE_BYTES = 900_000_000
"""What an export takes: the exporter itself, and so much of the weights at 16 bits. Phi-3-mini (7.64 GB) in the
sample's recipe peaked at 11.1 GB, a model of 17 MB at 0.9 GB. With a data set it may be more."""

JUDGING_BYTES = 1_500_000_000
"""What the finished model takes beside its weights while it is tried."""

SECONDS_PER_GIGABYTE = 55.0
SECONDS_BASE = 60.0
"""Of weights at 16 bits, on two cores: with Phi-3-mini the exporter took 2 min 19 s, and everything 6 to 9 minutes."""

_FOLDERS_IN_MEMORY = ("tmpfs", "ramfs", "zram")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done and what it takes, in bytes and seconds.

    Attributes:
        download: what comes from the hub.
        copy: the 16-bit copy that the exporter compresses; gone afterwards.
        result: the new version.
        memory: at the peak.
        seconds: a guess, without the download.
    """

    download: int
    copy: int
    result: int
    memory: int
    seconds: float

    @property
    def disk(self) -> int:
        """All that is on the disk at the peak."""
        return self.download + self.copy + self.result


def plan_export(checkpoint: Checkpoint, recipe: Recipe, download: int) -> Plan:
    """Estimate what an export takes.

    Args:
        checkpoint: the model.
        recipe: how its weights will be stored.
        download: bytes that are not here yet.
    """
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
    """Estimate what fetching an exported model takes: it is loaded once to be tried."""
    return Plan(download, 0, 0, JUDGING_BYTES + model_bytes, SECONDS_BASE)


def describe_plan(plan: Plan, home: Path) -> list[str]:
    """What will be taken and what is there, a line each."""
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
        f"Time: about {duration(plan.seconds)} on two cores, and what the download takes"
        if plan.download
        else f"Time: about {duration(plan.seconds)} on two cores",
    ]
    return lines + _notes_on_folders(plan, home)


def require_room(plan: Plan, home: Path, memory: UsableMemory | None = None) -> None:
    """Refuse what would end for want of memory or disk after minutes.

    Args:
        plan: what it takes.
        home: the folder with versions.
        memory: what may be taken; None finds out.

    Raises:
        ConfigurationError: there is not enough of something.
    """
    memory = memory or usable_memory()
    needed = plan.memory + (plan.disk if _is_in_memory(home) else 0)
    if needed > memory.bytes:
        raise ConfigurationError(
            f"this takes about {size(needed)} of memory and {size(memory.bytes)} may be taken ({memory.limit}); end "
            "other programs, use a larger machine, or fetch a model that is exported already: --prebuilt"
        )
    free = _free(home)
    if plan.disk > free:
        raise ConfigurationError(
            f"this takes about {size(plan.disk)} of disk and {size(free)} are free in {home}; free some room "
            "(--prune removes old versions) or name a folder on another disk with --output"
        )


def require_packages(recipe: Recipe) -> None:
    """Refuse to begin without what the exporter needs.

    Raises:
        ConfigurationError: something is not installed.
    """
    for package in ("torch", "optimum.intel", "nncf"):
        if not _is_installed(package):
            raise ConfigurationError(
                f"exporting needs {package.split('.')[0]}, which is not installed; run: pip install -c constraints.txt "
                "'.[optimum]', or fetch a model that is exported already: --prebuilt"
            )
    if recipe.needs_dataset_download and not _is_installed("datasets"):
        raise ConfigurationError(
            f"--dataset {recipe.dataset} needs the package datasets; run: pip install datasets, or use --dataset auto"
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package around it
        return False


def _notes_on_folders(plan: Plan, home: Path) -> list[str]:
    if _is_in_memory(home):
        return [f"Note: {home} is in memory (tmpfs); what is written there counts as memory."]
    temporary = Path(tempfile.gettempdir())
    if plan.copy and _is_in_memory(temporary):
        return [f"Note: {temporary} is in memory (tmpfs), so the 16-bit copy is written beside the result instead."]
    return []


def _free(folder: Path) -> int:
    return shutil.disk_usage(_existing(folder)).free


def _is_in_memory(folder: Path) -> bool:
    """Whether a folder's disk is memory, by the list of mounted disks."""
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
