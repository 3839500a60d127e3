"""The database's tables.

Ids of messages, channels, servers and people are Discord's own, which are unique everywhere and grow with time
(https://discord.com/developers/docs/reference#snowflakes). A turn has the id of the message that asked. Turns form a
tree: each knows the turn that it continues, so that a reply to an older answer begins another line.
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
    """Text in which what no database takes (NUL, half a surrogate pair) is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy
        """To the database."""
        return None if value is None else value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class TokenIds(TypeDecorator[tuple[int, ...]]):
    """Token ids, as little-endian 32-bit numbers."""

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
    """What all tables share."""

    metadata = MetaData(
        # Names that do not depend on the database, so that a migration can change what they name.
        naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
    )
    type_annotation_map = {int: BigInteger, str: AnyText, list[Any]: JSON, tuple[int, ...]: TokenIds}  # noqa: RUF012


class Conversation(Table):
    """One memory: a channel's, or one person's in a channel.

    Attributes:
        person_id: whose it is; 0 where everybody in the channel shares it.
        tip_id: the latest turn, which the next one continues; None at the beginning and after a reset.
        resets: how often it was started afresh.
        began_id: the first message that was ever asked in it.
        used_id: the latest one.
    """

    __tablename__ = "conversations"

    channel_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tip_id: Mapped[int | None]
    resets: Mapped[int]
    began_id: Mapped[int]
    used_id: Mapped[int] = mapped_column(index=True)


class Turn(Table):
    """A question and the answer that it got.

    Attributes:
        id: of the message that asked.
        channel_id: with `memory_person_id`, the conversation.
        parent_id: the turn that it continues; that one may be gone, or belong to the conversation that a thread grew
            from.
        first_id: the oldest turn that the model saw when it answered; the turn's own id where it saw none.
        depth: how many turns stand before it in its line.
        author_id: who asked; None once that is erased.
        author_name: their display name; None where only one person can talk.
        quote_message_id: the message that was replied to, unless it belongs to the conversation itself.
        files: text attachments, each with "id", "name" and "text".
        answer_ids: the ids that the model generated, for the tokenizer with the fingerprint `tokenizer`.
        erased: nothing of it is left but its place in the tree.
    """

    __tablename__ = "turns"
    __table_args__ = (Index(None, "channel_id", "memory_person_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int]
    memory_person_id: Mapped[int]
    parent_id: Mapped[int | None]
    first_id: Mapped[int]
    depth: Mapped[int]
    author_id: Mapped[int | None] = mapped_column(index=True)
    author_name: Mapped[str | None]
    text: Mapped[str]
    quote_message_id: Mapped[int | None] = mapped_column(index=True)
    quote_author_id: Mapped[int | None] = mapped_column(index=True)
    quote_author_name: Mapped[str | None]
    quote_text: Mapped[str | None]
    files: Mapped[list[Any]]
    answer: Mapped[str]
    answer_ids: Mapped[tuple[int, ...] | None]
    tokenizer: Mapped[str | None]
    erased: Mapped[bool]


class AcceptedQuestion(Table):
    """Work that was accepted and is not finished. Its row goes when the last edit of the answer is in.

    What was asked stays on Discord, where it is read again after a restart.

    Attributes:
        message_id: the message that asked.
        channel_id: where it was asked.
        author_id: who asked.
        outcome: why the generation ended; None while it has not.
        detail: what the person is told about that.
        answer: the text to deliver, once the generation has ended.
    """

    __tablename__ = "accepted_questions"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    channel_id: Mapped[int]
    author_id: Mapped[int] = mapped_column(index=True)
    outcome: Mapped[str | None]
    detail: Mapped[str | None]
    answer: Mapped[str | None]


class Reply(Table):
    """A message in which the bot answers.

    Attributes:
        question_id: the message that it answers.
        position: 0 for the answer's first message, and so on.
    """

    __tablename__ = "replies"

    message_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    question_id: Mapped[int] = mapped_column(index=True)
    position: Mapped[int]


class SeenMessage(Table):
    """A message to the bot that was accepted or turned away, so that it is never answered twice."""

    __tablename__ = "seen_messages"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Persona(Table):
    """A system prompt for a server, a channel or a thread, by the place's id."""

    __tablename__ = "personas"

    place_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str]
