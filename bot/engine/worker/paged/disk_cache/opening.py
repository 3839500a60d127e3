"""Opens the disk cache that the options ask for, or says why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.engine.interface import EngineOptions
from bot.engine.worker.backends.backend import one_line
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.disk_cache.identity import cache_identity
from bot.engine.worker.paged.prefix_cache import PrefixCache


def open_disk_cache(
    options: EngineOptions,
    device_name: str,
    precision: str,
    layout: Sequence[str],
    memory: PrefixCache,
    block_bytes: Callable[[int], list[memoryview]],
    seconds_per_token: Callable[[], float],
    warn: Callable[[str], None],
) -> DiskCache | None:
    """Open the disk cache; without one, tell the operator why.

    Args:
        device_name: see `cache_identity`; so are `precision` and `layout`.
        memory: see `DiskCache`; so are `block_bytes`, `seconds_per_token` and `warn`.
    """
    if options.disk_cache_dir is None:
        return None
    try:
        identity = cache_identity(options, device_name, precision, layout)
        folder = CacheFolder(options.disk_cache_dir, identity)
        index = folder.read_index(sum(map(len, block_bytes(0))))
        wanted = options.disk_cache_gigabytes
        budget = folder.default_budget(index) if wanted is None else int(wanted * 1e9)
    except (OSError, ValueError) as error:
        warn(
            "Disk cache is off, histories are read again after a restart; make it a folder that the bot can "
            f"read and write: path={options.disk_cache_dir} reason={one_line(error)}"
        )
        return None
    return DiskCache(folder, index, budget, memory, block_bytes, seconds_per_token, warn)
