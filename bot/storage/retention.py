"""Forgets what is old, a part at a time: a server ends a statement that takes too long."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from bot.storage.rows import all_rows, erase_quotes, erase_summaries, erase_turns, first_row
from bot.storage.tables import AcceptedQuestion, AnswerVersion, Conversation, Quote, Reply, SeenMessage, Turn

_MOST_TURNS = 20_000
"""Forgotten by one change. PostgreSQL took 0.2 s for as many, and has ten."""


async def ids_in_steps(connection: AsyncConnection, before: int) -> list[int]:
    """Ids of messages before one, in order, with no more turns between two of them than one change may forget."""
    steps: list[int] = []
    while (row := await first_row(connection, _next_step(steps[-1] if steps else 0, before))) is not None:
        steps.append(row.id)
    return steps


def _next_step(after: int, before: int) -> Select[Any]:
    between = Turn.id >= after, Turn.id < before
    return select(Turn.id).where(*between).order_by(Turn.id).offset(_MOST_TURNS).limit(1)


async def forget_before(connection: AsyncConnection, message_id: int) -> None:
    """Forget the turns and quotes that are older than a message."""
    await connection.execute(delete(Reply).where(Reply.question_id < message_id))
    await erase_summaries(connection, select(Turn.id).where(Turn.id < message_id))
    await connection.execute(delete(AnswerVersion).where(AnswerVersion.turn_id < message_id))
    await connection.execute(delete(Quote).where(Quote.turn_id < message_id))
    in_between = await _after_newer(connection, message_id)
    await erase_turns(connection, in_between)
    await connection.execute(delete(Turn).where(Turn.id < message_id, Turn.id.not_in(in_between)))
    await erase_quotes(connection, Quote.message_id < message_id)
    await connection.execute(delete(Conversation).where(Conversation.used_id < message_id))
    await connection.execute(delete(SeenMessage).where(SeenMessage.id < message_id))
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id < message_id))


async def _after_newer(connection: AsyncConnection, message_id: int) -> Collection[int]:
    """The turns from before a message that follow turns from after it: without them, the branch would break there."""
    parent, child = aliased(Turn), aliased(Turn)
    found = (
        select(Turn.id)
        .join(parent, parent.id == Turn.parent_id)
        .where(Turn.id < message_id, parent.id >= message_id)
        .cte("found", recursive=True)
    )
    found = found.union(select(child.id).where(child.parent_id == found.c.id, child.id < message_id))
    return [row.id for row in await all_rows(connection, select(found.c.id))]
