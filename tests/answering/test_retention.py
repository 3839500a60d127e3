"""Old turns are deleted by themselves."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.answering.retention import Retention
from bot.conversation.snowflake import snowflake_at
from bot.conversation.turn import Question
from tests.conversation.memory import HERE, answer, asked, open_memory, seen


def message_of(days_ago: float) -> int:
    """The id of a message of this age."""
    return snowflake_at(datetime.now(UTC) - timedelta(days=days_ago))


@pytest.mark.parametrize(("days", "left"), [(None, ["old", "new"]), (30.0, ["new"])])
async def test_turns_older_than_the_limit_are_deleted(tmp_path: Path, days: float | None, left: list[str]) -> None:
    async with open_memory(tmp_path) as memory:
        conversations = memory.conversations()
        for text, days_ago in (("old", 31.0), ("new", 29.0)):
            await answer(conversations, Question(message_of(days_ago), HERE, asked(text)))
        running = asyncio.create_task(Retention(conversations, days).run())
        if days is not None:
            async with asyncio.timeout(10):
                while await seen(conversations) != left:  # noqa: ASYNC110 - retention has no event
                    await asyncio.sleep(0.01)
        else:
            await running
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

        assert await seen(conversations) == left
        assert await seen(memory.conversations()) == left, "the file has deleted it too"
