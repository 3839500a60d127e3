"""Records what was deleted, edited or forgotten, so that a backup from before does not bring it back.

The record holds ids and no text. It is kept for `RECORD_DAYS`; a backup that is older cannot be restored safely.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.rows import insert_once
from bot.storage.tables import PastErasure

RECORD_DAYS = 365

_KEPT_MICROSECONDS = timedelta(days=RECORD_DAYS) // timedelta(microseconds=1)

_latest_id = 0


def next_erasure_id() -> int:
    """An id for an erasure that happens now."""
    global _latest_id  # two erasures within a microsecond need two ids
    _latest_id = max(_latest_id + 1, time.time_ns() // 1000)
    return _latest_id


async def record_erasure(
    connection: AsyncConnection,
    erasure_id: int,
    *,
    message_ids: Collection[int] | None = None,
    author_id: int | None = None,
    channel_ids: Collection[int] | None = None,
) -> None:
    """Record an erasure in the transaction that makes it; see `PastErasure`. Deletes records that are too old."""
    row = {
        "id": erasure_id,
        "message_ids": None if message_ids is None else sorted(message_ids),
        "author_id": author_id,
        "channel_ids": None if channel_ids is None else sorted(channel_ids),
    }
    await insert_once(connection, PastErasure, row)
    await connection.execute(delete(PastErasure).where(PastErasure.id < erasure_id - _KEPT_MICROSECONDS))
