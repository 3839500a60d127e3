"""Messages that accepted interactions ask about leave nothing behind when they are deleted or forgotten."""

from __future__ import annotations

from typing import Any

from bot.storage.storage import Storage
from tests.storage.stored import ADA, ELSEWHERE, GRACE, HERE, storage

__all__ = ["storage"]

WORDS = "the key \0 under the mat \ud800"


async def accept_about(storage: Storage, question_id: int, message_id: int, *, by: int = ADA, key: Any = HERE) -> None:
    target = {"id": str(message_id), "author": {"id": str(by)}, "content": WORDS}
    await storage.work.accept(question_id, key, GRACE, interaction={"token": "secret", "target": target})


async def targets(storage: Storage) -> list[str | None]:
    unfinished = [question.interaction for question in await storage.work.unfinished()]
    return [interaction["target"] and interaction["target"]["id"] for interaction in unfinished if interaction]


async def test_a_deleted_message_is_no_target_any_more(storage: Storage) -> None:
    await accept_about(storage, 10, 1)
    await accept_about(storage, 20, 2)
    await storage.conversations.erase([1])
    assert await targets(storage) == [None, "2"]
    [_, kept] = await storage.work.unfinished()
    assert kept.interaction is not None
    assert kept.interaction["target"]["content"] == WORDS


async def test_a_forgotten_members_message_is_no_target_any_more(storage: Storage) -> None:
    await accept_about(storage, 10, 1)
    await accept_about(storage, 20, 2, by=GRACE)
    await accept_about(storage, 30, 3, key=ELSEWHERE)
    await storage.conversations.forget(ADA, frozenset({HERE.channel_id}))
    assert await targets(storage) == [None, "2", "3"]
    await storage.conversations.forget(ADA, None)
    assert await targets(storage) == [None, "2", None]
