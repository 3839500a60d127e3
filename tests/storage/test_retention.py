"""What is too old is forgotten in parts that a server has the time for."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from bot.storage import retention
from bot.storage.storage import Storage
from tests.storage.stored import keep, storage, turn

__all__ = ["storage"]


async def test_no_statement_deletes_more_turns_than_it_may(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_MOST_TURNS", 3)
    old = [turn(number) for number in range(10, 20)]
    kept = turn(30, after=turn(20))
    await keep(storage, *old, turn(20), kept)
    deleted: list[int] = []

    def see(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE FROM turns "):
            deleted.append(cursor.rowcount)

    event.listen(Engine, "after_cursor_execute", see)
    try:
        await storage.conversations.forget_before(30)
    finally:
        event.remove(Engine, "after_cursor_execute", see)
    assert max(deleted) == 3
    assert sum(deleted) == 11
    assert await storage.conversations.branch(30) == [kept]
