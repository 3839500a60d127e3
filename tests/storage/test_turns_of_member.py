"""What a member asked, in either database."""

from __future__ import annotations

from dataclasses import replace

from bot.conversation.turn import ConversationKey, TextFile
from bot.storage.storage import Storage
from tests.storage.stored import ADA, ELSEWHERE, GRACE, HERE, keep, quote, storage, summary, turn

__all__ = ["storage"]

PRIVATE = ConversationKey(HERE.channel_id, -ADA)


async def test_all_that_a_member_asked_in_some_conversations_is_found(storage: Storage) -> None:
    first = turn(10, quotes=[quote(3), quote(4)], files=[TextFile(5, "a.txt", "…")])
    others = turn(20, after=first, by=GRACE)
    trimmed = replace(turn(30, after=others), first_id=30)
    private = turn(40, key=PRIVATE)
    erased, elsewhere = turn(50, after=first), turn(60, key=ELSEWHERE)
    await keep(storage, first, others, trimmed, private, erased, elsewhere)
    await storage.conversations.summarize(summary(25, first, others))
    await storage.conversations.erase([50])
    assert await storage.conversations.turns_by(ADA, [HERE, PRIVATE]) == [first, trimmed, private]
    assert await storage.conversations.turns_by(GRACE, [HERE]) == [others]
    assert await storage.conversations.turns_by(ADA, []) == []
