"""Keeps the server's paths out of texts on Discord, even of those for admins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bot.own_command import own_command

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_ADDRESS = re.compile(r"(https?://)(?:[^/@]*@)?([^?#]*)")


def without_server_paths(text: str, folders: Mapping[str, Path | None]) -> str:
    """Name folders in a text for admins as they do.

    Args:
        text: an error line.
        folders: by how admins call them, such as `MODEL_DIR`; None is left out.
    """
    text = text.replace(own_command("export"), "python -m bot export")
    names = [(path, name) for name, folder in folders.items() if folder is not None for path in _paths_of(folder)]
    for path, name in sorted(names, key=lambda each: len(each[0]), reverse=True):  # one may be inside another
        text = text.replace(path, name)
    return text


def public_source(source: str | None) -> str | None:
    """A model's origin for everybody: a hub id or an address, without the password that it may hold.

    Of a path, only the last part remains.
    """
    if source is None or _HUB_ID.fullmatch(source):
        return source
    if address := _ADDRESS.fullmatch(source.split("#")[0].split("?")[0]):
        return address[1] + address[2]
    return re.split(r"[/\\]", source.rstrip("/\\"))[-1] or None


def _paths_of(folder: Path) -> set[str]:
    try:
        absolute = folder.expanduser().absolute()
        return {str(each) for each in (absolute, absolute.resolve()) if each != each.parent}
    except (OSError, RuntimeError, ValueError):  # it is no path, so no text holds it
        return set()
