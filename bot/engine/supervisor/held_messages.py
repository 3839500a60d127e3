"""Knows whose words the caches may hold, so that most edits and deletions on Discord need not reach the engine."""

from __future__ import annotations

from collections.abc import Collection

from bot.engine.interface import Erasure, GenerationRequest


class HeldMessages:
    """The messages whose words the caches of all engines may hold, in memory and on disk.

    Args:
        known: whether the disk cache is empty, or off. Otherwise every message may be held until the first engine has
            loaded.
    """

    def __init__(self, *, known: bool = False) -> None:
        self._known = known
        self._message_ids: set[int] = set()

    def add_stored(self, message_ids: Collection[int]) -> None:
        """Add what an engine found on disk when it loaded."""
        self._known = True
        self._message_ids.update(message_ids)

    def add_request(self, request: GenerationRequest) -> None:
        """Add what an engine is about to read."""
        self._message_ids.update(source.message_id for source in request.sources)

    def may_concern(self, erasure: Erasure) -> bool:
        """Whether an erasure may concern anything in the caches."""
        if erasure.message_ids is None or not self._known:
            return True
        return not self._message_ids.isdisjoint(erasure.message_ids)
