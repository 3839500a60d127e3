"""What a drafter can rely on in the backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.worker.backends.conftest import Driver, options


class _Follower:
    """Notes what it is told to read, and the room for it."""

    name = "follower"

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        return [() for _ in wanted]

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        self.told += [(blocks_for(each.read + count), len(each.path)) for each, count in shares]


def test_what_a_drafter_is_told_to_read_has_its_cache_blocks(tiny_model: Path) -> None:
    follower = _Follower()
    driver = Driver(lambda emit: PagedBackend(options(tiny_model), emit, 20, follower))
    driver.answer(*range(5, 105), limit=3)
    assert follower.told
    assert all(held >= needed for needed, held in follower.told)
