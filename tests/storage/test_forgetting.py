"""Members are told that something is deleted only once it is."""

from __future__ import annotations

from pathlib import Path

from bot.conversation.store import ForgottenCount
from bot.storage.storage import Storage
from tests.small_disk import fill
from tests.storage.conftest import until
from tests.storage.stored import ADA, HERE, keep, turn


async def test_what_a_full_disk_keeps_from_being_deleted_is_not_counted_as_deleted(small_disk: Path) -> None:
    filler = small_disk / "filler"
    storage = await Storage.open(f"sqlite:///{small_disk}/bot.sqlite3", lambda _: None)
    try:
        await keep(storage, turn(10))
        fill(filler)
        assert await storage.conversations.forget(ADA, None) is None
        assert storage.outage is not None
        assert [each.asked is None for each in await storage.conversations.branch(10)] == [False]
        filler.unlink()
        await until(lambda: storage.outage is None)
        assert [each.asked is None for each in await storage.conversations.branch(10)] == [True]
        assert await storage.conversations.forget(ADA, frozenset({HERE.channel_id})) == ForgottenCount(0, 0)
    finally:
        await storage.close()
