"""Versions of a model in one folder, as the exporter leaves them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bot.model.manifest import write_manifest
from bot.model.report import ExportReport, write_report
from bot.model.versions import ModelVersions

Change = Callable[[bytes], bytes]


def add_version(
    versions: ModelVersions,
    name: str,
    model: Path,
    *,
    report: ExportReport | None = None,
    built_with: tuple[str, Change] | None = None,
    damaged_by: tuple[str, Change] | None = None,
) -> None:
    """Add a copy of a model as a version, without making it current.

    Args:
        versions: where to.
        name: of the version.
        model: the model's folder.
        report: the export's.
        built_with: a file and a change to it before the manifest is written.
        damaged_by: a file and a change to it afterwards.
    """
    folder = versions.folder(name)
    shutil.copytree(model, folder, copy_function=_link)
    if built_with is not None:
        change_file(folder / built_with[0], built_with[1])
    if report is not None:
        write_report(folder, report)
    write_manifest(folder)
    if damaged_by is not None:
        change_file(folder / damaged_by[0], damaged_by[1])


def change_file(path: Path, change: Change) -> None:
    """Replace a file, which may be a link to the model's own."""
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def with_another_bit(content: bytes) -> bytes:
    """Flip one bit."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def cut_off(content: bytes) -> bytes:
    """As an interrupted copy leaves it."""
    return content[:1000]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
