"""One bot with a tiny model for all tests of this folder, which do not read its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.end_to_end.stage import Stage, online


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that is online, and the members and channels around it."""
    async with online(tiny_chat_model_dir, max_new_tokens=20) as stage:
        yield stage
