"""A conversation as a tree of turns, and the branch of it that a question continues.

A question normally continues the tip, the latest turn, so most trees are a single branch. A reply to an older answer
starts another:

    1 ── 2 ── 3 ── 4      a question without a reply continues the tip, 5
          └── 5           5 replied to the answer of 2; its branch is 1, 2, 5
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bot.conversation.turn import ConversationKey, Question, Turn
from bot.engine.interface import Source
from bot.prompting.prompt import Message


@dataclass(slots=True)
class Conversation:
    """The part of a conversation that is in memory.

    Attributes:
        tip_id: the latest turn, which the next question continues; None at the beginning and after a reset.
        resets: the number of resets.
        past_known: False if an outage hid the stored part, so that there may be older turns.
        turns: recently used turns by id. In a thread, they include the turn that the thread was started from.
            Changed by `put`, `load` and `keep` only.
        answering: how many of its questions are being answered now; it stays in memory meanwhile.
        cached_by: the engine process whose KV cache holds the branch up to the tip; None if none does.
    """

    key: ConversationKey
    tip_id: int | None = None
    resets: int = 0
    past_known: bool = True
    turns: dict[int, Turn] = field(default_factory=dict)
    answering: int = 0
    cached_by: int | None = None
    _quoted: set[int] = field(default_factory=set, repr=False)

    def put(self, turn: Turn) -> None:
        """Add or replace a turn."""
        self.turns[turn.id] = turn
        self._note_quotes((turn,))

    def load(self, turns: Sequence[Turn]) -> None:
        """Add turns from the store before the others, except those that are here."""
        self.turns = {turn.id: turn for turn in turns} | self.turns
        self._note_quotes(turns)

    def keep(self, turns: Sequence[Turn]) -> None:
        """Drop all turns but these."""
        self.turns = {turn.id: turn for turn in turns}
        self._quoted.clear()
        self._note_quotes(turns)

    def may_hold(self, message_ids: Collection[int]) -> bool:
        """Whether a turn may be about one of these messages; quick, because it does not look at the turns."""
        return not (self.turns.keys().isdisjoint(message_ids) and self._quoted.isdisjoint(message_ids))

    def _note_quotes(self, turns: Iterable[Turn]) -> None:
        self._quoted.update(turn.asked.quote.message_id for turn in turns if turn.asked and turn.asked.quote)

    def missing(self, tip_id: int | None) -> int | None:
        """The first turn, going back from a tip, that must be loaded for `branch` to be complete; None if none must."""
        turn_id, first_id = tip_id, None
        while turn_id is not None:
            turn = self.turns.get(turn_id)
            if turn is None:
                return turn_id
            first_id = first_id or turn.first_id
            turn_id = None if turn.id == first_id or turn.key != self.key else turn.parent_id
        return None

    def branch(self, tip_id: int | None) -> tuple[Turn, ...]:
        """The turns that the model saw when it answered a turn, and that turn; the oldest first.

        Turns that are not in memory end it early.
        """
        latest_first: list[Turn] = []
        turn = self.turns.get(tip_id or 0)
        while turn is not None:
            latest_first.append(turn)
            is_first = turn.id == latest_first[0].first_id or turn.key != self.key
            turn = None if is_first else self.turns.get(turn.parent_id or 0)
        return tuple(reversed(latest_first))


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """A conversation as it was when the engine started on a question.

    Attributes:
        conversation: the live one, which changes on.
        resets: as of then. If it has grown when the answer ends, a reset came in between, and the answer does not
            become the tip.
        branch: the turns that the question continues, the oldest first.
        system_prompt: the persona or the default.
        erasures: the number of the latest erasure before the branch was read; a later one may concern it.
        system_sources: whose words the system prompt holds, as a persona.
    """

    conversation: Conversation
    resets: int
    branch: tuple[Turn, ...]
    system_prompt: str
    erasures: int = 0
    system_sources: tuple[Source, ...] = ()

    def turn(self, question: Question, seen: Sequence[Turn], answer: Message) -> Turn:
        """Make the question's turn.

        Args:
            question: as memory should keep it.
            seen: the end of `branch` that fitted into the context.
            answer: of the model.
        """
        parent = self.branch[-1] if self.branch else None
        return Turn(
            id=question.id,
            key=question.key,
            parent_id=parent.id if parent is not None else None,
            first_id=seen[0].id if seen else question.id,
            depth=parent.depth + 1 if parent is not None and parent.key == question.key else 0,
            asked=question.asked,
            answer=answer,
        )
