"""Knows whose words the caches may hold, so that most edits and deletions on Discord need not reach the engine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from bot.engine.interface import Erasure, GenerationRequest

_MOST_SKIPPED = 10_000
"""Messages; more than are edited and deleted between the reading of a conversation and its request."""


class HeldMessages:
    """The messages whose words the caches of all engines may hold, in memory and on disk.

    Args:
        known: whether the disk cache is empty, or off. Otherwise every message may be held until the first engine has
            loaded.
    """

    def __init__(self, *, known: bool = False) -> None:
        self._known = known
        self._message_ids: set[int] = set()
        self._skipped: OrderedDict[int, Erasure] = OrderedDict()  # by message

    def add_stored(self, message_ids: Collection[int]) -> None:
        """Add what an engine found on disk when it loaded."""
        self._known = True
        self._message_ids.update(message_ids)

    def add_request(self, request: GenerationRequest) -> set[Erasure]:
        """Add what an engine is about to read.

        Returns:
            what the engine must erase first: it concerned no cache when it came, but concerns this request, whose
            conversation was read before.
        """
        message_ids = {source.message_id for source in request.sources}
        self._message_ids |= message_ids
        skipped = {self._skipped[message_id] for message_id in message_ids & self._skipped.keys()}
        return {erasure for erasure in skipped if erasure.number > request.erasures}

    def skip(self, erasure: Erasure) -> None:
        """Note an erasure that concerns nothing in the caches now, for requests that are being made."""
        for message_id in erasure.message_ids or ():
            self._skipped[message_id] = erasure
            self._skipped.move_to_end(message_id)
        while len(self._skipped) > _MOST_SKIPPED:
            self._skipped.popitem(last=False)

    def may_concern(self, erasure: Erasure) -> bool:
        """Whether an erasure may concern anything in the caches."""
        if erasure.message_ids is None or not self._known:
            return True
        return not self._message_ids.isdisjoint(erasure.message_ids)
