"""A model to serve, and memory for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conversation.memory import Memory, open_memory
from tests.serving.tiny_model import shared_tiny_model


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def memory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path_factory.mktemp("memory")) as memory:
        yield memory


@pytest.fixture(scope="session")
def chat_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder, which no test may change."""
    return shared_tiny_model(tmp_path_factory)
