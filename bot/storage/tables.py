"""The database's tables.

Ids of messages, channels, guilds and members are Discord's own: unique everywhere, and they grow with time
(https://discord.com/developers/docs/reference#snowflakes). A turn has the id of the message that asked. Turns form a
tree: each knows its parent, so that a reply to an older answer starts a new branch.
"""

from __future__ import annotations

import array
import sys
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class AnyText(TypeDecorator[str]):
    """Text without the characters that databases refuse: NUL and lone surrogates are replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy
        """To the database."""
        return None if value is None else value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class TokenIds(TypeDecorator[tuple[int, ...]]):
    """Token ids as little-endian 32-bit numbers."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: tuple[int, ...] | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy
        """To the database."""
        return None if value is None else _little_endian(array.array("I", value)).tobytes()

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> tuple[int, ...] | None:  # noqa: ARG002 - SQLAlchemy
        """From the database."""
        return None if value is None else tuple(_little_endian(array.array("I", value)))


def _little_endian(ids: array.array[int]) -> array.array[int]:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids


class Table(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        # The same names in both databases, so that a migration can refer to them.
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's name
        int: BigInteger,
        str: AnyText,
        list[Any]: JSON,
        dict[str, Any]: JSON(none_as_null=True),
        tuple[int, ...]: TokenIds,
    }


class Conversation(Table):
    """A conversation: a channel's, or one member's in a channel.

    Attributes:
        person_id: as in a `bot.conversation.turn.ConversationKey`.
        tip_id: the latest turn, which the next one continues; None at the beginning and after a reset.
        resets: the number of resets.
        began_id: its first question.
        used_id: its latest question or reset.
    """

    __tablename__ = "conversations"

    channel_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tip_id: Mapped[int | None]
    resets: Mapped[int]
    began_id: Mapped[int]
    used_id: Mapped[int] = mapped_column(index=True)


class Turn(Table):
    """A question together with its answer.

    Attributes:
        id: of the message that asked.
        channel_id: with `memory_person_id`, the key of the conversation.
        parent_id: the turn that it continues. Retention may have deleted that turn, and the first turn of a thread
            continues one of another conversation.
        first_id: the oldest turn that the model saw when it answered; its own id if it saw none.
        summary_id: the summary of the turns before that one, which the model saw first; a turn, too.
        depth: the number of turns before it in its branch and conversation.
        author_id: of the asker; None once the turn is erased.
        author_name: the asker's display name; None once the turn is erased.
        files: attachments, each with "id", "name", and "text" if it is a text file, otherwise "kind".
        answer_ids: the token ids that the model generated, for the tokenizer with the fingerprint `tokenizer`.
        version: which of several answers it is, 1 for the first.
        outcome: why the answer ended; None where an older bot stored it, or once the turn is erased.
        erased: only its place in the tree is left.
    """

    __tablename__ = "turns"
    __table_args__ = (Index(None, "channel_id", "memory_person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int]
    memory_person_id: Mapped[int]
    parent_id: Mapped[int | None]
    first_id: Mapped[int]
    summary_id: Mapped[int | None]
    depth: Mapped[int]
    author_id: Mapped[int | None] = mapped_column(index=True)
    author_name: Mapped[str | None]
    text: Mapped[str]
    files: Mapped[list[Any]]
    answer: Mapped[str]
    answer_ids: Mapped[tuple[int, ...] | None]
    tokenizer: Mapped[str | None]
    version: Mapped[int]
    outcome: Mapped[str | None]
    erased: Mapped[bool]


class Quote(Table):
    """Another message that belongs to a turn's question.

    Attributes:
        position: 0 for the oldest that was read.
        message_id: of the quoted message.
        files: as in a turn.
        relation: a `bot.conversation.turn.Relation`.
    """

    __tablename__ = "quotes"

    turn_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_id: Mapped[int] = mapped_column(index=True)
    author_id: Mapped[int] = mapped_column(index=True)
    author_name: Mapped[str]
    text: Mapped[str]
    files: Mapped[list[Any]]
    relation: Mapped[str]


class AnswerVersion(Table):
    """One of several answers to the same question. A turn that was answered once has none.

    Attributes:
        number: 1 for the first; `Turn.version` is the one that is shown, which the turn holds, too.
        answer_ids: as in a turn, with `tokenizer` and `outcome`.
    """

    __tablename__ = "answer_versions"

    turn_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    answer: Mapped[str]
    answer_ids: Mapped[tuple[int, ...] | None]
    tokenizer: Mapped[str | None]
    outcome: Mapped[str | None]


class SummarizedTurn(Table):
    """A turn that a summary covers. A change of the turn erases the summary."""

    __tablename__ = "summarized_turns"

    summary_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    turn_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)


NOTICE = "notice"
"""The outcome of a question that gets a line instead of an answer."""


class AcceptedQuestion(Table):
    """A question that is accepted but not delivered. The last edit of its reply deletes the row.

    The text of a message is not here: recovery reads it from Discord again. What an interaction asked can be read
    nowhere else.

    Attributes:
        message_id: of the message that asked, or of the interaction.
        author_id: of the asker.
        task: a `bot.conversation.turn.Task`.
        interaction: what an interaction asked, and how to answer it; None for a message.
        outcome: why the generation ended, or `NOTICE`; None while it has not.
        detail: the outcome's explanation for the asker.
        answer: the text or the notice to deliver; None while the generation has not ended.
    """

    __tablename__ = "accepted_questions"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int]
    author_id: Mapped[int] = mapped_column(index=True)
    task: Mapped[str]
    interaction: Mapped[dict[str, Any] | None]
    outcome: Mapped[str | None]
    detail: Mapped[str | None]
    answer: Mapped[str | None]


class Reply(Table):
    """One message of a reply.

    Attributes:
        question_id: the message that it answers.
        position: 0 for the reply's first message.
    """

    __tablename__ = "replies"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    question_id: Mapped[int] = mapped_column(index=True)
    position: Mapped[int]


class SeenMessage(Table):
    """A message that was accepted or turned away, so that recovery does not answer it again.

    Attributes:
        question_id: the later message with which it is one question; None if it asks by itself.
    """

    __tablename__ = "seen_messages"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    question_id: Mapped[int | None] = mapped_column(index=True)


class Persona(Table):
    """The system prompt of a scope.

    Attributes:
        place_id: the scope: the id of a guild, a channel or a thread.
    """

    __tablename__ = "personas"

    place_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]


class ChannelMode(Table):
    """How the bot is asked in a channel. A channel without a row is asked by mentions.

    Attributes:
        mode: a `bot.conversation.channel_modes.ChannelMode`.
        since_id: the interaction that set it: the time of the setting.
    """

    __tablename__ = "channel_modes"

    channel_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mode: Mapped[str]
    since_id: Mapped[int]


class PastErasure(Table):
    """What was deleted, edited or forgotten: ids and no text. A restored backup goes through it again.

    Concerns what meets all criteria that are given.

    Attributes:
        id: the time, in microseconds since the epoch.
        message_ids: messages, and the questions that they answered.
        author_id: a member who was forgotten.
        channel_ids: deleted channels, or those in which the member was forgotten.
    """

    __tablename__ = "erasures"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_ids: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    author_id: Mapped[int | None]
    channel_ids: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
