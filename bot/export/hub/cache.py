"""Files that the hub's own client has downloaded before, in its cache (HF_HOME)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from bot.export.hub.repository import HubFile, HubRepository


def cached_file(repository: HubRepository, file: HubFile) -> Path | None:
    """Return where the client keeps a file of this commit; None if it has it not, or not whole."""
    found = try_to_load_from_cache(repository.name, file.name, revision=repository.commit)
    if not isinstance(found, str):
        return None
    path = Path(found).resolve()  # the name in the cache is a link to the content
    return path if path.stat().st_size == file.bytes else None


def take(cached: Path, target: Path, temporary: Path) -> None:
    """Give a cached file another name, and where that cannot be done, copy it.

    Args:
        cached: the file; it stays.
        target: the other name. Nothing is there.
        temporary: where a copy is made, on the target's disk.

    Raises:
        OSError: the copy cannot be written.
    """
    try:
        os.link(cached, target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(cached, temporary)
        temporary.replace(target)
