"""Finds quickly whether any of many erasures concerns a source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from bot.engine.interface import Erasure, Source


class PastErasures:
    """Erasures that blocks on disk may not have gone through.

    Most are of single messages, or retention's, of which each goes further than the one before it. Each block is
    compared with all of them.
    """

    def __init__(self, erasures: Iterable[Erasure]) -> None:
        self._of_messages: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._by_author: dict[int | None, dict[Erasure, int]] = defaultdict(dict)
        for erasure in erasures:
            before_id = erasure.before_id
            if erasure == Erasure(erasure.number, message_ids=erasure.message_ids):
                for message_id in erasure.message_ids or ():
                    self._of_messages[message_id] = max(self._of_messages.get(message_id, 0), erasure.number)
            elif before_id is not None and erasure == Erasure(erasure.number, before_id=before_id):
                further = {each: number for each, number in self._before.items() if each > before_id}
                later = {each: number for each, number in self._before.items() if number > erasure.number}
                self._before = {before_id: erasure.number} | further | later
            else:
                criteria, others = replace(erasure, number=0), self._by_author[erasure.author_id]
                others[criteria] = max(others.get(criteria, 0), erasure.number)

    def concern(self, source: Source, after: int) -> bool:
        """Whether a source's words were erased after the erasure with this number."""
        if self._of_messages.get(source.message_id, 0) > after:
            return True
        if any(number > after and source.message_id < before_id for before_id, number in self._before.items()):
            return True
        others = (self._by_author.get(author_id, {}) for author_id in (source.author_id, None))
        return any(number > after and criteria.concerns(source) for each in others for criteria, number in each.items())
