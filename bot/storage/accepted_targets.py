"""The messages that accepted interactions ask about, which may be deleted or forgotten before the answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.rows import all_rows
from bot.storage.tables import AcceptedQuestion


async def targets_among(connection: AsyncConnection, message_ids: Collection[int]) -> set[int]:
    """Those of these messages that an accepted interaction asks about."""
    targets = {int(interaction["target"]["id"]) for _, _, interaction in await _with_target(connection)}
    return targets.intersection(message_ids)


async def erase_targets(connection: AsyncConnection, message_ids: Collection[int]) -> None:
    """Keep nothing of messages that were deleted."""
    await _erase(connection, lambda _, target: int(target["id"]) in message_ids)


async def erase_targets_by(connection: AsyncConnection, author_id: int, channel_ids: Collection[int] | None) -> None:
    """Keep nothing of a member's messages, in some channels or everywhere."""

    def is_forgotten(asked_in: int, target: dict[str, Any]) -> bool:
        return int(target["author"]["id"]) == author_id and (channel_ids is None or asked_in in channel_ids)

    await _erase(connection, is_forgotten)


async def _erase(connection: AsyncConnection, is_erased: Callable[[int, dict[str, Any]], bool]) -> None:
    for message_id, channel_id, interaction in await _with_target(connection):
        if is_erased(channel_id, interaction["target"]):
            row = update(AcceptedQuestion).where(AcceptedQuestion.message_id == message_id)
            await connection.execute(row.values(interaction=interaction | {"target": None}))


async def _with_target(connection: AsyncConnection) -> list[tuple[int, int, dict[str, Any]]]:
    columns = AcceptedQuestion.message_id, AcceptedQuestion.channel_id, AcceptedQuestion.interaction
    rows = await all_rows(connection, select(*columns).where(AcceptedQuestion.interaction.is_not(None)))
    return [(row.message_id, row.channel_id, row.interaction) for row in rows if row.interaction["target"]]
