"""What a conversation consists of: turns, each a question together with its answer.

All of these are immutable. A change, such as an edit on Discord, makes a new turn (`bot.conversation.changes`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from bot.engine.interface import FinishReason
from bot.prompting.prompt import Message


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """Identifies a conversation.

    Attributes:
        channel_id: a text channel, a thread or a direct message. Discord's ids are unique across guilds.
        person_id: the member whose conversation it is in that channel; 0 if the channel shares one (`MEMORY`), negative
            for the member's private questions.
    """

    channel_id: int
    person_id: int = 0

    @property
    def text(self) -> str:
        """The same, for an engine."""
        return f"{self.channel_id}/{self.person_id}"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text attachment with its content."""

    id: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """An attachment that the model cannot see, only that it is there.

    Attributes:
        kind: one word for it, such as "picture".
    """

    id: int
    name: str
    kind: str


File: TypeAlias = TextFile | UnreadFile


class Relation(StrEnum):
    """What a quote is to its question."""

    REPLIED_TO = "replied_to"  # the message that the question replies to, or that its thread began with
    EARLIER = "earlier"  # a message before that one in its chain of replies
    TARGET = "target"  # chosen in the message's menu
    PART = "part"  # an earlier message of the same question, by the asker


@dataclass(frozen=True, slots=True)
class Quote:
    """Another message that belongs to a question and that is not part of the conversation itself.

    Attributes:
        files: in the order of its attachments.
    """

    message_id: int
    author_id: int
    author_name: str
    text: str
    files: tuple[File, ...] = ()
    relation: Relation = Relation.REPLIED_TO


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A member's words, with everything that came along.

    Attributes:
        text: of the message itself, without the mention of the bot; `own_text` has the whole question.
        author_name: the display name.
        quotes: the oldest first.
        files: in the order of the attachments.
    """

    text: str
    author_id: int
    author_name: str
    quotes: tuple[Quote, ...] = ()
    files: tuple[File, ...] = ()

    @property
    def parts(self) -> tuple[Quote, ...]:
        """The earlier messages of the same question."""
        return tuple(quote for quote in self.quotes if quote.relation is Relation.PART)

    @property
    def cited(self) -> tuple[Quote, ...]:
        """The messages that it is about."""
        return tuple(quote for quote in self.quotes if quote.relation is not Relation.PART)

    @property
    def repeated(self) -> Quote | None:
        """The message that is itself what is asked, because the asker wrote nothing."""
        asked_again = [quote for quote in self.cited if quote.relation is not Relation.EARLIER]
        return asked_again[-1] if asked_again and not self.own_text else None

    @property
    def own_text(self) -> str:
        """What the asker wrote."""
        return "\n".join(filter(None, (*(part.text for part in self.parts), self.text)))

    @property
    def own_files(self) -> tuple[File, ...]:
        """The files that the asker sent."""
        return (*(file for part in self.parts for file in part.files), *self.files)

    @property
    def asks_nothing(self) -> bool:
        """Whether nothing is left of it, such as of one that only repeated a message that is deleted now."""
        is_asked = any(quote.relation is not Relation.EARLIER for quote in self.quotes)
        return not (self.text or self.files or is_asked)


class Task(StrEnum):
    """What a question wants of the bot."""

    ANSWER = "answer"
    REGENERATE = "regenerate"  # another version of the answer that it has
    ANSWER_AGAIN = "answer_again"  # another version, because the question was edited
    CONTINUE = "continue"  # the rest of an answer that reached the longest length


@dataclass(frozen=True, slots=True)
class Question:
    """A message that asks the bot something.

    Attributes:
        id: of the Discord message; its turn gets the same.
        key: the conversation that it belongs to.
        asked: the message's content.
        reply_to: the message that it replies to. If that belongs to a turn, the question continues this turn, which
            may start a new branch; otherwise it continues the conversation's tip.
        thread_starter: reads the message that the question's thread grew from; called only if the conversation is empty
            when it is opened.
        earlier_quotes: reads the chain of replies before the quoted message, the oldest first, up to the first message
            that the conversation holds; called only if the conversation does not hold the quoted message.
        task: what is to be done about it.
    """

    id: int
    key: ConversationKey
    asked: UserMessage
    reply_to: int | None = None
    thread_starter: Callable[[], Awaitable[Quote | None]] | None = field(default=None, compare=False, repr=False)
    earlier_quotes: Callable[[Callable[[int], bool]], Awaitable[Sequence[Quote]]] | None = field(
        default=None, compare=False, repr=False
    )
    task: Task = Task.ANSWER


@dataclass(frozen=True, slots=True)
class Covered:
    """A message whose words a summary may hold.

    Attributes:
        turn_id: of the turn that the message asked, or that quotes it.
        channel_id: of that turn's conversation.
    """

    turn_id: int
    message_id: int
    author_id: int
    channel_id: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A question together with its answer, as a node in the tree of its conversation.

    The branch that ends with a turn is found by following `parent_id`. It does not always go back to the beginning of
    the conversation: if the context was full, the model did not see the oldest turns, and `first_id` says where its
    view began. Later questions on the branch see no more than that either, except for a summary of what came before.

    A summary is a turn of its own, beside the branch: the bot asked for it, nothing continues it, and its parent is the
    last turn that it covers.

    Attributes:
        id: of the message that asked. Ids grow with the time of asking, but a branch has the order in which answers
            ended: a parent's id can be the greater one.
        key: the conversation that it belongs to.
        parent_id: the turn that it continues; None at a beginning. The parent of a thread's first turn can be in
            another conversation: the turn that the thread was started from.
        first_id: the oldest turn that the model saw when it answered; the turn's own id if it saw none.
        depth: the number of turns before it in its branch and conversation.
        asked: the question's content; None once the turn is erased. An erased turn keeps its place, so that the turns
            after it stay connected.
        answer: the shown version; None once the turn is erased.
        version: the number of that version, 1 for the first.
        summary_id: the summary that the model saw before `first_id`.
        covers: of a summary: whose words it may hold. A change of one of these messages erases the summary.
    """

    id: int
    key: ConversationKey
    parent_id: int | None
    first_id: int
    depth: int
    asked: UserMessage | None
    answer: Message | None
    version: int = 1
    summary_id: int | None = None
    covers: tuple[Covered, ...] = ()

    @property
    def is_summary(self) -> bool:
        """Whether it is a summary that is not erased."""
        return bool(self.covers)


@dataclass(frozen=True, slots=True)
class AnswerVersion:
    """One of several answers to the same question.

    Attributes:
        number: 1 for the first.
        reason: why it ended.
    """

    number: int
    answer: Message
    reason: FinishReason
