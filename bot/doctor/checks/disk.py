"""The disks: room for the database, the disk cache and the next version of the model, and the right to write there."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from bot.doctor.check import Finding, Findings, Result
from bot.doctor.checks.database import database_file
from bot.engine.worker.paged.disk_cache.budget import default_budget, kept_free
from bot.model.folder import ModelFolder
from bot.model.versions import home_of
from bot.own_command import own_command
from bot.settings import Settings
from bot.sizes import size

NAME = "disk"
_LEAST_BYTES = 200_000_000
"""For the database to grow, and for the copy that a rewrite of it makes while it is small."""

_UNCOMPRESSED = (None, "fp16", "bf16", "fp32")
_LEAST_COPY = 2
"""An export compresses a copy of the checkpoint at 16 bits. No compressed weight has more than eight, most have four.
How many there are, only the checkpoint says, and a download comes on top."""


def check_disk(settings: Settings, model: ModelFolder | None) -> Findings:
    """Report on each disk that the bot writes to."""
    findings = list(check_disk_quickly(settings))
    if settings.engine != "openai" and settings.engine_options.disk_cache_dir is not None:
        findings.append(_disk_cache(settings))
    if model is not None and model.has_weights:
        findings.append(_next_version(model))
    return findings


def check_disk_quickly(settings: Settings) -> Findings:
    """Report on the database's disk alone."""
    return [_database(settings)]


def _database(settings: Settings) -> Finding:
    file = database_file(settings)
    folder = settings.data_folder if file is None else file.parent
    place = _existing(folder)
    if not _is_writable(place):
        line = f"the bot cannot write to {place}" + (f", so not make {folder}" if place != folder else "")
        elsewhere = "DATA_DIR to another folder" if folder == settings.data_folder else "DATABASE_URL to another file"
        return Finding(NAME, Result.ERROR, line, f"let this user write there, or set {elsewhere}")
    free = shutil.disk_usage(place).free
    # A database is written anew to remove deleted text: next to it there must be room for two copies.
    needed = _LEAST_BYTES + (2 * file.stat().st_size if file is not None and file.exists() else 0)
    line = f"{size(free)} free for the database in {folder.absolute()}"
    if free < needed:
        return Finding(NAME, Result.WARNING, f"{line}, {size(needed)} would be safe", "make room on this disk")
    return Finding(NAME, Result.OK, line)


def _disk_cache(settings: Settings) -> Finding:
    folder = settings.engine_options.disk_cache_dir
    assert folder is not None  # the caller looked
    place = _existing(folder)
    if not _is_writable(place):
        line = f"the bot cannot write to {place}, so it reads long histories anew after each restart"
        return Finding(NAME, Result.WARNING, line, "let this user write there, or set KV_DISK_GIGABYTES=0")
    used = _bytes_in(folder)
    usage, wanted = shutil.disk_usage(place), settings.kv_disk_gigabytes
    budget = default_budget(usage.free + used) if wanted is None else int(wanted * 1e9)
    left = usage.free + used - kept_free(usage.total)
    line = f"up to {size(budget)} for the disk cache in {folder.absolute()}"
    if left < budget:
        line = f"{line}, and the disk has {size(max(left, 0))} for it; {size(kept_free(usage.total))} always stay free"
        return Finding(NAME, Result.WARNING, line, "make room on this disk, or set a smaller KV_DISK_GIGABYTES")
    return Finding(NAME, Result.OK, f"{line}; it takes {size(used)} now")


def _next_version(model: ModelFolder) -> Finding:
    home = home_of(model.path) or model.path
    free = shutil.disk_usage(home).free
    needed = sum(each.stat().st_size for each in model.path.iterdir() if each.is_file())
    line = f"{size(free)} free for the next version of the model in {home}; one like this takes {size(needed)}"
    if model.weight_format not in _UNCOMPRESSED and find_spec("torch") is not None:
        needed += _LEAST_COPY * model.size_bytes
        line = f"{line}, and its export from a checkpoint at least {size(needed)} meanwhile"
    if free < needed:
        prune = own_command("export", "--output", str(home), "--prune")
        way_out = f"make room before the next export; `{prune}` deletes old versions"
        return Finding(NAME, Result.WARNING, line, way_out)
    return Finding(NAME, Result.OK, line)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists; a link that leads nowhere counts, for it is in the way."""
    path = folder.absolute()
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def _is_writable(place: Path) -> bool:
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # the running bot has deleted it meanwhile
                total += Path(place, name).stat().st_size
    return total
