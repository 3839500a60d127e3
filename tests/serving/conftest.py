"""Memory for served models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conversation.memory import Memory, open_memory


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path_factory.mktemp("memory")) as memory:
        yield memory
