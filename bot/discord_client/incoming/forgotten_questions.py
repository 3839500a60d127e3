"""Members who had the bot forget them since the start: what they asked before that gets no answer any more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

_MOST_MEMBERS = 10_000


class ForgottenQuestions:
    """Knows which questions are forgotten before the bot has read them, such as those that a start finds again."""

    def __init__(self) -> None:
        self._latest: OrderedDict[int, dict[int | None, int]] = OrderedDict()  # by member and place; None is everywhere

    def add(self, author_id: int, channel_ids: Collection[int] | None, at_id: int) -> None:
        """Note that a member has the bot forget everything up to an interaction, in some channels or everywhere."""
        latest = self._latest.setdefault(author_id, {})
        self._latest.move_to_end(author_id)
        latest |= dict.fromkeys([None] if channel_ids is None else channel_ids, at_id)
        if len(self._latest) > _MOST_MEMBERS:
            self._latest.popitem(last=False)

    def holds(self, question_id: int, author_id: int, channel_id: int) -> bool:
        """Whether a question in a channel, or in the thread that grows from it, is forgotten."""
        latest = self._latest.get(author_id, {})
        return any(question_id < latest.get(place, 0) for place in (None, channel_id, question_id))
