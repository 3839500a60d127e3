"""Versions of the small model side by side, as the exporter leaves them."""

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
    """Add a version; it does not answer yet.

    Args:
        versions: where to.
        name: what it is called.
        model: the model's folder.
        report: what the exporter found out.
        built_with: a file, and how it differs from the model's. The manifest tells it as it is.
        damaged_by: a file, and what happened to it after the manifest was written.
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
    """Put another file in the place of one that may be the model's own."""
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def with_another_bit(content: bytes) -> bytes:
    """As many bytes, one of which was changed."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def cut_off(content: bytes) -> bytes:
    """As after a copy that did not end."""
    return content[:1000]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another disk
        shutil.copy2(source, target)
