"""Mentions wait for what was accepted before the start."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.answering.recovery import Recovery
from bot.discord_client.events.mentions import MentionListener
from tests.discord_client.incoming.conftest import Incoming, incoming

__all__ = ["incoming"]

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("in_bulk", [False, True])
async def test_a_message_deleted_while_it_waits_for_recovery_is_not_answered(incoming: Incoming, in_bulk: bool) -> None:
    recovery: Recovery[discord.Message] = Recovery(incoming.inbox, incoming.work, timedelta(0))
    listener = MentionListener(incoming.reader, recovery, incoming.intake)
    deleted, kept = [await incoming.mention(text) for text in ("Deleted?", "Kept?")]
    waiting = [asyncio.create_task(listener.on_message(message)) for message in (deleted, kept)]
    await asyncio.sleep(0)
    payload: Any = SimpleNamespace(message_id=deleted.id, message_ids={deleted.id})
    if in_bulk:
        await listener.on_raw_bulk_message_delete(payload)
    else:
        await listener.on_raw_message_delete(payload)
    await recovery.run()
    await asyncio.gather(*waiting)
    assert [reply["message_reference"]["message_id"] for reply in incoming.stage.replies()] == [str(kept.id)]
    assert await incoming.work.unseen([deleted.id]) == {deleted.id}
