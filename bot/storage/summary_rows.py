"""The rows of summaries: each is a turn, with a row for every turn that it covers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.turn import Covered
from bot.conversation.turn import Turn as CoreTurn
from bot.storage.rows import all_rows, insert_once, row_of, turn_of
from bot.storage.tables import Quote, SummarizedTurn, Turn


async def insert_summary(connection: AsyncConnection, summary: CoreTurn) -> None:
    """Insert a summary."""
    await insert_once(connection, Turn, row_of(summary))
    for turn_id in {covered.turn_id for covered in summary.covers}:
        await insert_once(connection, SummarizedTurn, {"summary_id": summary.id, "turn_id": turn_id})


async def summaries_beside(connection: AsyncConnection, path: Sequence[CoreTurn]) -> list[CoreTurn]:
    """The summaries in a branch.

    Args:
        path: the branch's turns, the tip last.
    """
    turn_ids = [turn.id for turn in path]
    covering = select(SummarizedTurn.summary_id).where(SummarizedTurn.turn_id.in_(turn_ids)).distinct()
    seen_first = [turn.summary_id for turn in path[-1:] if turn.summary_id is not None]
    summary_ids = {*seen_first, *(row.summary_id for row in await all_rows(connection, covering))}
    if not summary_ids:
        return []
    # In this order: a summary that is still there has lost nothing of what it covers.
    covers = await _covers_of(connection, summary_ids)
    is_beside = or_(Turn.parent_id.in_(turn_ids), Turn.id.in_(seen_first))
    query = select(Turn.__table__).where(Turn.id.in_(summary_ids), is_beside, Turn.erased == false())
    return [turn_of(row, (), covers[row.id]) for row in await all_rows(connection, query)]


async def _covers_of(connection: AsyncConnection, summary_ids: Collection[int]) -> Mapping[int, Sequence[Covered]]:
    """What each of these summaries covers."""
    turns = select(SummarizedTurn.summary_id, Turn.id, Turn.id.label("message_id"), Turn.author_id, Turn.channel_id)
    turns = turns.join(Turn, SummarizedTurn.turn_id == Turn.id)
    quotes = select(SummarizedTurn.summary_id, Turn.id, Quote.message_id, Quote.author_id, Turn.channel_id)
    quotes = quotes.join(Turn, SummarizedTurn.turn_id == Turn.id).join(Quote, Quote.turn_id == Turn.id)
    covers: dict[int, list[Covered]] = defaultdict(list)
    for query in (turns, quotes):
        chosen = query.where(SummarizedTurn.summary_id.in_(summary_ids)).order_by("id", "message_id")
        for row in await all_rows(connection, chosen):
            covers[row.summary_id].append(Covered(row.id, row.message_id, row.author_id, row.channel_id))
    return covers
