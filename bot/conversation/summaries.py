"""Summaries: turns that stand for those that a trim leaves out of the prompt."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from bot.conversation.change_applier import ChangeApplier
from bot.conversation.snowflake import snowflake_at
from bot.conversation.store import ConversationStore
from bot.conversation.tree import Conversation
from bot.conversation.turn import ConversationKey, Covered, Turn
from bot.conversation.wording import SUMMARY_REQUEST, worded_turns
from bot.prompting.prompt import Message

MOST_COVERED = 500
"""Messages. Each is named in every block of the engine's cache that a summary is in."""

_LOWEST_BITS = 22
"""The part of an id that is no time."""


def summary_of(key: ConversationKey, turns: Sequence[Turn], answer: Message, summary_id: int = 0) -> Turn:
    """The summary of some turns of a conversation, the last of which is its parent.

    Args:
        turns: the oldest first. An earlier summary may be the first; what that covers is covered by this one, too.
        answer: what the model says of them.
    """
    return Turn(
        id=summary_id,
        key=key,
        parent_id=turns[-1].id,
        first_id=summary_id,
        depth=0,
        asked=SUMMARY_REQUEST,
        answer=answer,
        covers=covers_of(turns),
    )


def covers_of(turns: Sequence[Turn]) -> tuple[Covered, ...]:
    """All messages whose words a summary of these turns may hold."""
    covers = {covered: None for turn in turns for covered in turn.covers}
    for turn, asked, _ in worded_turns(turns):
        if not turn.is_summary:
            said = [(turn.id, asked.author_id), *((quote.message_id, quote.author_id) for quote in asked.quotes)]
            covers |= {Covered(turn.id, *each, turn.key.channel_id): None for each in said}
    return tuple(covers)


class Summaries:
    """Watches summaries while they are generated, and remembers them.

    A change of a turn that a summary covers erases the summary, even before the model has written it to its end.

    Args:
        store: keeps them for good.
        changes: reach summaries that are being generated, which `being_generated` holds.
        find: a conversation if it is in memory.
    """

    def __init__(
        self,
        store: ConversationStore,
        changes: ChangeApplier,
        find: Callable[[ConversationKey], Conversation | None],
    ) -> None:
        self._store = store
        self._changes = changes
        self._find = find
        self.being_generated = Conversation(ConversationKey(0))

    @contextmanager
    def watched(self, key: ConversationKey, turns: Sequence[Turn]) -> Iterator[int]:
        """Watch a summary of these turns of a conversation, as they are now; return its id."""
        summary_id = snowflake_at(datetime.now(UTC)) + secrets.randbits(_LOWEST_BITS)
        self.being_generated.put(summary_of(key, turns, Message("assistant", ""), summary_id))
        try:
            yield summary_id
        finally:
            rest = [turn for turn in self.being_generated.turns.values() if turn.id != summary_id]
            self.being_generated.keep(rest)

    def is_valid(self, summary_id: int) -> bool:
        """Whether nothing that a watched summary covers has changed."""
        summary = self.being_generated.turns[summary_id]
        return summary.is_summary and not self._changes.may_change(summary)

    async def remember(self, summary_id: int, answer: Message) -> None:
        """Remember a watched summary that is valid."""
        summary = replace(self.being_generated.turns[summary_id], answer=answer)
        conversation = self._find(summary.key)
        if conversation is not None:
            conversation.put(summary)
            conversation.cached_by = None  # the next prompt begins otherwise
        self._changes.answered(summary_id)
        self._changes.invalidate_reads()
        await self._store.summarize(summary)
