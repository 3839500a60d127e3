"""Finds what a member asked, wherever it is in the tree of its conversation."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.turn import ConversationKey
from bot.conversation.turn import Turn as CoreTurn
from bot.storage.rows import all_rows, quotes_of, turn_of
from bot.storage.tables import Turn


async def turns_by(
    connection: AsyncConnection, person_id: int, keys: Collection[ConversationKey]
) -> Sequence[CoreTurn]:
    """A member's turns in some conversations, the oldest first, without erased ones."""
    is_there = or_(
        false(), *(and_(Turn.channel_id == key.channel_id, Turn.memory_person_id == key.person_id) for key in keys)
    )
    is_wanted = Turn.author_id == person_id, Turn.erased == false(), is_there
    rows = await all_rows(connection, select(Turn.__table__).where(*is_wanted).order_by(Turn.id))
    quotes = await quotes_of(connection, select(Turn.id).where(*is_wanted))
    return [turn_of(row, quotes.get(row.id, ())) for row in rows]
