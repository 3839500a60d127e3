"""Fixtures: a database, and conversations over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from bot.conversation.conversations import Conversations
from tests.conversation.memory import Memory, open_memory


@pytest_asyncio.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    """An empty database."""
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest_asyncio.fixture
async def conversations(memory: Memory) -> Conversations:
    """Conversations over the empty database."""
    return memory.conversations()
