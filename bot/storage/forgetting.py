"""Forgets what a member wrote."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.store import ForgottenCount
from bot.storage.accepted_targets import erase_targets_by
from bot.storage.rows import ERASED_TURN, erase_quotes, erase_summaries
from bot.storage.tables import AcceptedQuestion, AnswerVersion, Quote, Reply, Turn


async def forget_person(
    connection: AsyncConnection, person_id: int, channel_ids: Collection[int] | None
) -> ForgottenCount:
    """Erase the turns and quotes of a member, in some channels or everywhere; return how many they were."""
    here = [] if channel_ids is None else [Turn.channel_id.in_(channel_ids)]
    asked = and_(Turn.author_id == person_id, *here)
    asked_ids = select(Turn.id).where(asked)
    await erase_summaries(connection, asked_ids)
    await connection.execute(delete(Reply).where(Reply.question_id.in_(asked_ids)))
    await connection.execute(delete(AnswerVersion).where(AnswerVersion.turn_id.in_(asked_ids)))
    await connection.execute(delete(Quote).where(Quote.turn_id.in_(asked_ids)))
    turns = await connection.execute(update(Turn).where(asked).values(**ERASED_TURN))
    in_scope = [Quote.turn_id.in_(select(Turn.id).where(*here))] if here else []
    quotes = await erase_quotes(connection, Quote.author_id == person_id, *in_scope)
    accepted = [AcceptedQuestion.author_id == person_id]
    if channel_ids is not None:
        accepted.append(AcceptedQuestion.channel_id.in_(channel_ids))
    await connection.execute(delete(AcceptedQuestion).where(*accepted))
    await erase_targets_by(connection, person_id, channel_ids)
    return ForgottenCount(turns.rowcount, quotes)
