"""One engine with the small real model for all tests of answers, and a memory of its own for each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.model.folder import open_model_folder
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import Make, make_answering
from tests.conversation.memory import Memory, open_memory


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(small_model_dir: Path) -> AsyncIterator[EngineSupervisor]:
    engine = EngineSupervisor(EngineOptions(engine="paged", model_dir=small_model_dir, cache_gigabytes=0.3))
    await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


@pytest.fixture(scope="session")
def endless(small_model_dir: Path) -> PromptBuilder:
    """Builds the same prompts, but no token ends an answer: a test can stop it on any processor, however fast."""
    builder = PromptBuilder.from_folder(small_model_dir)
    builder.stop_ids = frozenset()
    return builder


@pytest_asyncio.fixture(loop_scope="session")
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def make(engine: EngineSupervisor, chatml: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, chatml, memory)


@pytest.fixture
def make_endless(engine: EngineSupervisor, endless: PromptBuilder, memory: Memory) -> Make:
    return partial(make_answering, engine, endless, memory, max_new_tokens=1000)
