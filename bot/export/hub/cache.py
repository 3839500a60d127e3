"""Files that the hub's client has already downloaded into its cache (HF_HOME)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from bot.export.hub.repository import HubFile, HubRepository


def cached_file(repository: HubRepository, file: HubFile) -> Path | None:
    """Return where the cache holds a file of this commit; None if it is absent or has another size."""
    found = try_to_load_from_cache(repository.name, file.name, revision=repository.commit)
    if not isinstance(found, str):
        return None
    path = Path(found).resolve()  # the name in the cache is a link to the content
    return path if path.stat().st_size == file.bytes else None


def link_or_copy(cached: Path, target: Path, temporary: Path) -> None:
    """Hard-link a cached file, or copy it where links do not work.

    Args:
        cached: stays as it is.
        target: must not exist.
        temporary: where the copy grows, on the target's disk.

    Raises:
        OSError: the copy cannot be written.
    """
    try:
        os.link(cached, target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(cached, temporary)
        temporary.replace(target)
