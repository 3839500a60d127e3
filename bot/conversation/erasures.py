"""Passes on what must leave the engine's caches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bot.engine.interface import Erasure, first_erasure_number

MakeErasure: TypeAlias = Callable[[int], Erasure]
"""Makes an erasure with a number."""


async def _nowhere(_erasure: Erasure) -> None:
    """There are no caches."""


class Erasures:
    """Numbers the erasures and passes them on, in order.

    Attributes:
        latest: the number of the latest erasure.
    """

    def __init__(self) -> None:
        self.latest = first_erasure_number()
        self._erase: Callable[[Erasure], Awaitable[None]] = _nowhere

    def pass_to(self, erase: Callable[[Erasure], Awaitable[None]]) -> None:
        """Pass all later erasures to the caches' owner, which returns when even a crash cannot undo one."""
        self._erase = erase

    async def add(self, make: MakeErasure) -> None:
        """Pass an erasure on.

        Whoever reads `latest` and then a conversation must not get a number that counts a change and words from before
        it. So change memory first, and call this without letting anything run in between.
        """
        self.latest += 1
        await self._erase(make(self.latest))
