"""How many bytes, for people: in decimal units, as disks are sold and as the settings count."""

from __future__ import annotations

_UNITS = (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000))
_GIGABYTES_FROM = 100_000_000


def size(count: float) -> str:
    """A rounded size: `2.15 GB`, `92.9 MB`."""
    return f"{count / 1e9:.2f} GB" if count >= _GIGABYTES_FROM else f"{count / 1e6:.1f} MB"


def exact_size(count: int) -> str:
    """A limit as it is: `256 kB`, `1.5 MB`, `8192 kB`, `12 bytes`."""
    for unit, factor in _UNITS:
        if count >= factor and count * 10 % factor == 0:
            return f"{count / factor:g} {unit}"
    return f"{count} bytes"
