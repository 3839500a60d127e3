"""Ports to the store, which keeps conversations and accepted questions for good. `bot.storage` implements them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.conversation.turn import AnswerVersion, ConversationKey, Task, Turn
from bot.engine.interface import Outcome


@dataclass(frozen=True, slots=True)
class ConversationHead:
    """Where a conversation continues.

    Attributes:
        tip_id: the latest turn, which the next question continues; None at the beginning and after a reset.
        resets: the number of resets.
    """

    tip_id: int | None
    resets: int


@dataclass(frozen=True, slots=True)
class UnfinishedQuestion:
    """A question whose reply is not complete.

    Attributes:
        message_id: of the message that asked.
        outcome: how the generation ended; None if it has not.
        answer: the text to deliver; "" while there is no outcome.
        reply_ids: the messages of the reply that exist, in order.
        author_id: of the asker.
        notice: what to say instead of an answer; None if there is or will be one.
        task: what is to be done about the question.
        interaction: what an interaction asked, and how to answer it; None for a message.
        parts: earlier messages that are one question with it, the oldest first.
    """

    message_id: int
    channel_id: int
    outcome: Outcome | None
    answer: str
    reply_ids: tuple[int, ...]
    author_id: int
    notice: str | None = None
    task: Task = Task.ANSWER
    interaction: Mapping[str, Any] | None = None
    parts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ForgottenCount:
    """How much of a member's text was deleted.

    Attributes:
        turns: the member's questions, with their answers.
        quotes: the member's messages in other members' questions.
    """

    turns: int
    quotes: int


class AnswerVersionStore(Protocol):
    """Keeps several answers to the same question. Reads and writes as in `ConversationStore`."""

    async def versions(self, turn_id: int) -> Sequence[AnswerVersion]:
        """All answers of a turn, the first one first; none if it is erased.

        Raises:
            DatabaseOutageError: also while writes wait, which would be missing.
        """
        ...

    async def add_version(self, turn: Turn, outcome: Outcome) -> None:
        """Store a turn's new answer beside the others, as the shown one, and how it ended."""
        ...

    async def continue_answer(self, turn: Turn, outcome: Outcome) -> None:
        """Store that a turn's shown answer has grown, and how it ended now."""
        ...

    async def show_version(self, turn_id: int, number: int) -> None:
        """Store which version of an answer is shown, and remembered."""
        ...


class ConversationStore(AnswerVersionStore, Protocol):
    """Keeps conversations for good.

    Reads raise `bot.errors.DatabaseOutageError` during an outage. Writes return when they are done; during an outage
    they return at once and are done after it, in order. All writes are idempotent.
    """

    @property
    def behind(self) -> bool:
        """Whether a write is not done yet, so that reads are out of date."""
        ...

    def before_message_changes(self, report: Callable[[Collection[int], Collection[int]], Awaitable[None]]) -> None:
        """Have edits and deletions of messages reported before they are committed.

        Args:
            report: gets the messages, without edited ones that the store holds just so, and without deleted ones that
                it does not hold; and the questions that deleted messages answered. Nothing is committed before it
                returns.
        """
        ...

    async def head(self, key: ConversationKey) -> ConversationHead | None:
        """The head of a conversation; None if it has no questions yet."""
        ...

    async def branch(self, tip_id: int) -> Sequence[Turn]:
        """The turns that the model saw when it answered a turn, and that turn; the oldest first, after summaries."""
        ...

    async def turns_by(self, person_id: int, keys: Collection[ConversationKey]) -> Sequence[Turn]:
        """All that a member asked in these conversations, the oldest first, without erased turns."""
        ...

    async def turn_of(self, message_id: int) -> int | None:
        """The turn that a message belongs to, as the question or in the reply; in any conversation."""
        ...

    async def replies(self, question_ids: Collection[int]) -> Mapping[int, int]:
        """The messages that answer these questions, each with its question."""
        ...

    async def recent(self, count: int) -> Sequence[ConversationKey]:
        """The most recently used conversations, the latest first."""
        ...

    async def personas(self, scopes: Sequence[int]) -> Mapping[int, str]:
        """The personas of these scopes, without scopes that have none."""
        ...

    async def remember(
        self, question_id: int, outcome: Outcome, turn: Turn | None, *, as_tip: bool, past_known: bool
    ) -> None:
        """Store how a question ended.

        Args:
            question_id: of the message that asked.
            outcome: how the generation ended.
            turn: None if there is no answer to remember.
            as_tip: whether the conversation continues from this turn.
            past_known: False if the turn has no parent only because the store could not be read. The store then
                makes its own tip the parent.
        """
        ...

    async def summarize(self, summary: Turn) -> None:
        """Store a summary. Every later change of a turn that it covers erases it."""
        ...

    async def edit(self, message_id: int, text: str, file_ids: Collection[int]) -> Collection[int]:
        """Update the question or the quotes that a message is to its new text.

        Args:
            message_id: of the edited message.
            text: its new text.
            file_ids: the attachments that it still has.

        Returns:
            the message, if it changes anything or if only the end of an outage will show; otherwise nothing.
        """
        ...

    async def erase(self, message_ids: Collection[int]) -> Collection[int]:
        """Erase the turns of these messages, and quotes of them.

        Returns:
            the messages that it concerns or may concern, as for `edit`, and the questions that they answered.
        """
        ...

    async def erase_channels(self, channel_ids: Collection[int]) -> None:
        """Delete everything in these channels."""
        ...

    async def forget(self, person_id: int, channel_ids: Collection[int] | None) -> ForgottenCount | None:
        """Erase everything that a member wrote, in some channels or everywhere; None if that happens later."""
        ...

    async def forget_before(self, message_id: int) -> None:
        """Delete the turns and quotes that are older than a message."""
        ...

    async def reset(self, key: ConversationKey, at_id: int) -> None:
        """Start a conversation over: the next question continues nothing.

        Args:
            key: whose next question that is.
            at_id: the time of the reset, as a Discord id: usually that of the interaction.
        """
        ...

    async def set_persona(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""
        ...


class WorkStore(Protocol):
    """Keeps accepted questions, so that recovery can finish them. Reads and writes as in `ConversationStore`."""

    async def accept(
        self,
        question_id: int,
        key: ConversationKey,
        author_id: int,
        *,
        task: Task = Task.ANSWER,
        interaction: Mapping[str, Any] | None = None,
        parts: Collection[int] = (),
    ) -> None:
        """Record that the bot will answer a question.

        Args:
            question_id: of the message, or of the interaction, that asked.
            key: the conversation it belongs to.
            author_id: of the asker.
            task: what is to be done about it.
            interaction: what an interaction asked, and how to answer it, as JSON; None for a message, which recovery
                reads again.
            parts: earlier messages that are one question with it.
        """
        ...

    async def note_parts(self, question_id: int, parts: Collection[int]) -> None:
        """Record earlier messages that are one question with another, so that none of them is answered by itself."""
        ...

    async def is_part(self, message_id: int) -> bool:
        """Whether a message is part of a later one's question; also said while the store cannot be read."""
        ...

    async def owe_notice(self, question_id: int, channel_id: int, author_id: int, notice: str) -> None:
        """Record what will be said instead of an answer, until `turn_away`."""
        ...

    async def turn_away(self, question_id: int) -> None:
        """Record that a message needs no answer, or none any more, whether it was accepted or not."""
        ...

    async def replied(self, question_id: int, position: int, message_id: int) -> None:
        """Record a message of a reply; position 0 is the first."""
        ...

    async def reply_deleted(self, message_id: int) -> None:
        """Remove a message of a reply."""
        ...

    async def delivered(self, question_id: int) -> None:
        """Record that a reply is complete."""
        ...

    async def unfinished(self) -> Sequence[UnfinishedQuestion]:
        """All accepted questions without a complete reply, the oldest first."""
        ...

    async def unseen(self, message_ids: Collection[int]) -> set[int]:
        """Those of these messages that were neither accepted nor turned away."""
        ...

    async def forget_seen_before(self, message_id: int) -> None:
        """Delete the record of which messages before this one were seen: recovery does not go back so far."""
        ...

    async def channels(self, count: int) -> Sequence[tuple[int, int]]:
        """The most recently used channels, the latest first, each with the id of its first question."""
        ...
