"""What the core needs from whatever keeps conversations for good. `bot.storage` does it with a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.conversation.turn import ConversationKey, Turn
from bot.engine.interface import Outcome


@dataclass(frozen=True, slots=True)
class ConversationHead:
    """Where a conversation stands.

    Attributes:
        tip_id: its latest turn, which the next one continues; None at the beginning and after a reset.
        resets: how often it was started afresh.
    """

    tip_id: int | None
    resets: int


@dataclass(frozen=True, slots=True)
class UnfinishedQuestion:
    """An accepted question whose answer is not delivered yet.

    Attributes:
        message_id: the message that asked.
        channel_id: where it was asked.
        outcome: how its generation ended; None while it has not.
        answer: the text to deliver then.
        reply_ids: the messages of its answer that were sent, in order.
    """

    message_id: int
    channel_id: int
    outcome: Outcome | None
    answer: str
    reply_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ForgottenCount:
    """How much was deleted of a person.

    Attributes:
        turns: their questions, with the answers.
        quotes: their messages that others' questions were about.
    """

    turns: int
    quotes: int


class ConversationStore(Protocol):
    """Keeps conversations.

    What reads raises `bot.errors.DatabaseOutageError` while that is impossible. What writes returns when it is done,
    or at once while it is impossible, and is then made up for later; each does nothing when it is done twice.
    """

    @property
    def behind(self) -> bool:
        """Whether something that was written is not kept yet."""

    async def head(self, key: ConversationKey) -> ConversationHead | None:
        """Where a conversation stands; None if nothing was ever asked in it."""

    async def branch(self, tip_id: int) -> Sequence[Turn]:
        """What the model saw when it answered a turn, and that turn at the end; the oldest first."""

    async def turn_of(self, message_id: int) -> int | None:
        """The turn that a message asked or answered, whatever conversation it is in."""

    async def recent(self, count: int) -> Sequence[ConversationKey]:
        """The conversations used last, the latest first."""

    async def personas(self, scopes: Sequence[int]) -> Mapping[int, str]:
        """The personas of those of these scopes that have one."""

    async def remember(
        self, question_id: int, outcome: Outcome, turn: Turn | None, *, as_tip: bool, past_known: bool
    ) -> None:
        """Keep how a question ended.

        Args:
            question_id: the message that asked.
            outcome: how.
            turn: the question and its answer; None if there is no answer.
            as_tip: the conversation goes on from there.
            past_known: False if the turn has no parent only because the store could not be read.
        """

    async def edit(self, message_id: int, text: str, file_ids: Collection[int]) -> None:
        """Change a question, or a quote, to what its message says now.

        Args:
            message_id: the message.
            text: its new text.
            file_ids: the attachments that it still has.
        """

    async def erase(self, message_ids: Collection[int]) -> None:
        """Forget the turns that these messages asked or answered, and what was quoted from them."""

    async def erase_channel(self, channel_id: int) -> None:
        """Forget everything in a channel."""

    async def forget(self, person_id: int, channel_id: int | None) -> ForgottenCount | None:
        """Forget everything that a person wrote, in one channel or everywhere; None if it will be done later."""

    async def forget_before(self, message_id: int) -> None:
        """Forget what was asked before a message."""

    async def reset(self, key: ConversationKey, at_id: int) -> None:
        """Start a conversation afresh: the next question continues nothing.

        Args:
            key: the conversation.
            at_id: what tells when, such as the id of the interaction that asked for it.
        """

    async def set_persona(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""


class WorkStore(Protocol):
    """Keeps what was accepted, so that a restart can finish it. Errors as in `ConversationStore`."""

    async def accept(self, question_id: int, key: ConversationKey, author_id: int) -> None:
        """Keep that a question will be answered."""

    async def turn_away(self, question_id: int) -> None:
        """Keep that a message was seen, and needs no answer any more."""

    async def replied(self, question_id: int, position: int, message_id: int) -> None:
        """Keep which message shows a part of an answer."""

    async def reply_deleted(self, message_id: int) -> None:
        """A message that showed a part of an answer is gone."""

    async def delivered(self, question_id: int) -> None:
        """The last edit of an answer is in."""

    async def unfinished(self) -> Sequence[UnfinishedQuestion]:
        """All accepted questions that are not delivered, the oldest first."""

    async def unseen(self, message_ids: Collection[int]) -> set[int]:
        """Which of these messages were never accepted nor turned away."""

    async def forget_seen_before(self, message_id: int) -> None:
        """Nobody will ask any more whether messages before this one were seen."""

    async def channels(self, count: int) -> Sequence[tuple[int, int]]:
        """The channels used last, each with the first message that was ever asked there."""
