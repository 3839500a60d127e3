"""A change that the database refuses is logged without the texts in it."""

from __future__ import annotations

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.database import Database
from bot.storage.rows import row_of, table_of
from bot.storage.tables import Turn
from tests.cli.test_log import log_at
from tests.storage.recording_journal import RecordingJournal
from tests.storage.stored import turn

MARK = "UNMENTIONABLE"


async def test_a_refused_change_is_logged_without_its_texts(database: Database) -> None:
    async def change(connection: AsyncConnection) -> None:
        row = row_of(turn(10, f"{MARK}\n\n{MARK} (1).\n\nThe end"))
        await connection.execute(insert(table_of(Turn)).values(**{**row, "depth": None}))

    with log_at("DEBUG") as log:
        journal = RecordingJournal(database)
        with pytest.raises(IntegrityError):
            await journal.write(change)
        await journal.close(5.0)
    assert "Change dropped" in log.getvalue()
    assert "IntegrityError" in log.getvalue()
    assert MARK not in log.getvalue()
