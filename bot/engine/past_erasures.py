"""Finds quickly whether any of many erasures concerns a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bot.engine.interface import Erasure, Source


class PastErasures:
    """Erasures that blocks on disk may not have gone through.

    Most are of single messages, and each block is compared with all of them.
    """

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._of_messages: dict[int, int] = {}
        self._others: dict[Erasure, int] = {}
        for erasure in erasures:
            if erasure == Erasure(erasure.number, message_ids=erasure.message_ids):
                for message_id in erasure.message_ids or ():
                    self._of_messages[message_id] = max(self._of_messages.get(message_id, 0), erasure.number)
            else:
                criteria = replace(erasure, number=0)
                self._others[criteria] = max(self._others.get(criteria, 0), erasure.number)

    def concern(self, source: Source, after: int) -> bool:
        """Whether a source's words were erased after the erasure with this number."""
        if self._of_messages.get(source.message_id, 0) > after:
            return True
        return any(number > after and criteria.concerns(source) for criteria, number in self._others.items())
