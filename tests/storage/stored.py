"""Stores over a fresh database, and helpers that fill and read them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest_asyncio
from sqlalchemy import select

from bot.conversation.summaries import summary_of
from bot.conversation.turn import ConversationKey, File, Question, Quote, Relation, Turn, UserMessage
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message
from bot.storage.database import Database
from bot.storage.rows import table_of
from bot.storage.storage import Storage
from bot.storage.tables import (
    AcceptedQuestion,
    AnswerVersion,
    ChannelMode,
    Conversation,
    PastErasure,
    Persona,
    Reply,
    SeenMessage,
    SummarizedTurn,
)
from bot.storage.tables import Quote as QuoteRow
from bot.storage.tables import Turn as TurnRow

HERE, ELSEWHERE = ConversationKey(1), ConversationKey(2)
ADA, GRACE = 11, 22
DONE = Outcome(FinishReason.STOP)
TABLES = (
    AcceptedQuestion,
    AnswerVersion,
    ChannelMode,
    Conversation,
    PastErasure,
    Persona,
    QuoteRow,
    Reply,
    SeenMessage,
    SummarizedTurn,
    TurnRow,
)

Rows = dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def open_storage(url: str) -> AsyncIterator[Storage]:
    """Open a storage, and check that it had no outage."""
    outages: list[str | None] = []
    storage = await Storage.open(url, outages.append)
    try:
        yield storage
    finally:
        await storage.close()
    assert outages == []


@pytest_asyncio.fixture
async def storage(database_url: str) -> AsyncIterator[Storage]:
    """The stores of an empty database."""
    async with open_storage(database_url) as storage:
        yield storage


def turn(
    turn_id: int,
    text: str = "",
    *,
    after: Turn | None = None,
    first_id: int | None = None,
    by: int = ADA,
    key: ConversationKey = HERE,
    quotes: Sequence[Quote] = (),
    files: Sequence[File] = (),
    answer: Message | None = None,
) -> Turn:
    """A turn after another one, answered with the same branch in view."""
    asked = UserMessage(text or f"Question {turn_id}", by, f"Person {by}", tuple(quotes), tuple(files))
    return Turn(
        id=turn_id,
        key=key,
        parent_id=after.id if after else None,
        first_id=first_id or (after.first_id if after else turn_id),
        depth=after.depth + 1 if after else 0,
        asked=asked,
        answer=answer or Message("assistant", f"Answer {turn_id}"),
    )


def question(turn: Turn) -> Question:
    """The question of a turn."""
    assert turn.asked is not None
    return Question(turn.id, turn.key, turn.asked)


def quote(
    message_id: int,
    text: str = "Quoted",
    by: int = GRACE,
    files: Sequence[File] = (),
    relation: Relation = Relation.REPLIED_TO,
) -> Quote:
    return Quote(message_id, by, f"Person {by}", text, tuple(files), relation)


def answered(turn: Turn, version: int, answer: Message | str) -> Turn:
    """A turn with another version of its answer."""
    message = answer if isinstance(answer, Message) else Message("assistant", answer)
    return replace(turn, version=version, answer=message)


def summary(turn_id: int, *covered: Turn, text: str = "Summary") -> Turn:
    """A summary of turns, the last of which is its parent."""
    return summary_of(covered[-1].key, covered, Message("assistant", text), turn_id)


async def accept(storage: Storage, *turns: Turn) -> None:
    for each in turns:
        assert each.asked is not None
        await storage.work.accept(each.id, each.key, each.asked.author_id)


async def keep(storage: Storage, *turns: Turn) -> None:
    """Accept and answer questions without delivering them; the reply's id is the question's plus 1,000."""
    await accept(storage, *turns)
    for each in turns:
        await storage.conversations.remember(each.id, DONE, each, as_tip=True, past_known=True)
        await storage.work.replied(each.id, 0, reply_id(each))


def reply_id(turn: Turn) -> int:
    return turn.id + 1000


async def everything(url: str) -> Rows:
    """All rows of all tables."""
    database = await Database.open(url)
    async with database.connect() as connection:
        rows = {}
        for each in TABLES:
            found = await connection.execute(select(table_of(each)))
            rows[each.__tablename__] = sorted((tuple(row) for row in found), key=str)
    await database.close()
    return rows
