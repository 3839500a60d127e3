"""How much of a disk the disk cache may take."""

from __future__ import annotations

_SHARE_OF_FREE = 0.25
_MOST_BYTES = 50_000_000_000
_SHARE_KEPT_FREE = 0.05
_MOST_KEPT_FREE = 1_000_000_000


def default_budget(free: int) -> int:
    """A part of what is free on the disk, in bytes.

    Args:
        free: with what the cache takes already.
    """
    return min(int(free * _SHARE_OF_FREE), _MOST_BYTES)


def kept_free(total: int) -> int:
    """What stays free of a disk of this size, in bytes, for the database and for other programs."""
    return int(min(_MOST_KEPT_FREE, total * _SHARE_KEPT_FREE))
