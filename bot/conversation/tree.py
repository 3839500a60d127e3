"""One conversation: a tree of turns, and the line of it that a question continues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.conversation.turn import ConversationKey, Question, Turn
from bot.prompting.prompt import Message


@dataclass(slots=True)
class Conversation:
    """One conversation as far as it is in memory.

    Attributes:
        key: which one.
        tip_id: its latest turn, which the next one continues; None at the beginning and after a reset.
        resets: how often it was started afresh.
        past_known: False if the store could not be read when it was needed, so that there may be more of it.
        turns: its turns by id, as far as they were used lately, and the one that a thread grew from.
        answering: how many of its questions are being answered.
        cached_by: the engine process that has read its latest line into its cache; None if none has.
    """

    key: ConversationKey
    tip_id: int | None = None
    resets: int = 0
    past_known: bool = True
    turns: dict[int, Turn] = field(default_factory=dict)
    answering: int = 0
    cached_by: int | None = None

    def missing(self, tip_id: int | None) -> int | None:
        """The nearest turn of a line that is not in memory; None if all that the model saw is."""
        turn_id, first_id = tip_id, None
        while turn_id is not None:
            turn = self.turns.get(turn_id)
            if turn is None:
                return turn_id
            first_id = first_id or turn.first_id
            turn_id = None if turn.id == first_id or turn.key != self.key else turn.parent_id
        return None

    def branch(self, tip_id: int | None) -> tuple[Turn, ...]:
        """What the model saw when it answered a turn, and that turn at the end, as far as it is in memory."""
        found: list[Turn] = []
        turn = self.turns.get(tip_id or 0)
        while turn is not None:
            found.append(turn)
            last = turn.id == found[0].first_id or turn.key != self.key
            turn = None if last else self.turns.get(turn.parent_id or 0)
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """A conversation at the moment at which a question in it begins to be answered.

    Attributes:
        conversation: the conversation.
        resets: how often it had been started afresh.
        branch: the turns that the question continues, as far as the model saw them, the oldest first.
        system_prompt: what the model is told before them.
    """

    conversation: Conversation
    resets: int
    branch: tuple[Turn, ...]
    system_prompt: str

    def turn(self, question: Question, seen: Sequence[Turn], answer: Message) -> Turn:
        """The turn that a question makes.

        Args:
            question: the question.
            seen: the part of the line that the model saw.
            answer: what it answered.
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
