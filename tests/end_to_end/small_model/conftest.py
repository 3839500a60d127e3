"""One bot with the small model for all tests of this folder: starting it takes longer than most of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.end_to_end.stage import Stage, online


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that is online, and the members and channels around it."""
    async with online(small_model_dir, kv_cache_gigabytes=0.5, max_new_tokens=700) as stage:
        yield stage
