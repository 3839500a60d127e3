"""Sizes: decimal, and exact where a limit is told."""

from __future__ import annotations

import pytest

from bot.sizes import exact_size, size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (12, "12 bytes"),
        (1024, "1024 bytes"),
        (1500, "1.5 kB"),
        (256_000, "256 kB"),
        (1_500_000, "1.5 MB"),
        (8_192_000, "8192 kB"),
        (2_000_000_000, "2 GB"),
    ],
)
def test_a_limit_is_told_exactly(count: int, text: str) -> None:
    assert exact_size(count) == text


@pytest.mark.parametrize(("count", "text"), [(400_000, "0.4 MB"), (1_500_000, "1.5 MB"), (2_154_000_000, "2.15 GB")])
def test_a_measured_size_is_rounded(count: float, text: str) -> None:
    assert size(count) == text
