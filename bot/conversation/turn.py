"""What was asked and what was answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.prompting.prompt import Message


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """Which conversation.

    Attributes:
        channel_id: the channel, thread or direct message. Discord's ids are unique across servers.
        person_id: whose conversation it is there; 0 where everybody shares one.
    """

    channel_id: int
    person_id: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """A message of somebody that a question is about."""

    message_id: int
    author_id: int
    author_name: str
    text: str


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text attachment: its id, its name and what is in it."""

    id: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What somebody asked.

    Attributes:
        text: what they wrote.
        author_id: who they are.
        author_name: their display name.
        quote: the message that it is about, if that is not part of the conversation.
        files: the text files that came with it.
    """

    text: str
    author_id: int
    author_name: str
    quote: Quote | None = None
    files: tuple[TextFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A message that asks something.

    Attributes:
        id: the message's id.
        key: the conversation that it belongs to.
        asked: what it asks.
        reply_to: the id of the message that it replies to.
        thread_starter: reads the message that the question's thread grew from. Called only where the conversation is
            empty when the question's turn comes.
    """

    id: int
    key: ConversationKey
    asked: UserMessage
    reply_to: int | None = None
    thread_starter: Callable[[], Awaitable[Quote | None]] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the answer that it got.

    Attributes:
        id: of the message that asked.
        key: the conversation that it belongs to.
        parent_id: the turn that it continues; None at a beginning.
        first_id: the oldest turn that the model saw when it answered this one, itself where it saw none.
        depth: how many turns stand before it in its line.
        asked: the question; None once the turn is erased, which leaves its place in the line.
        answer: the answer; None as well.
    """

    id: int
    key: ConversationKey
    parent_id: int | None
    first_id: int
    depth: int
    asked: UserMessage | None
    answer: Message | None
