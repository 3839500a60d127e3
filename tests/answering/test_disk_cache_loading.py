"""A conversation that a real engine loads from its disk cache while it answers somebody else."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.engine.interface import EngineOptions, GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.metrics.prometheus import PrometheusMetrics
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import channel
from tests.answering.prefilling import NotingEngine, answered, make_answering, prefilling, prefix, until
from tests.conversation.memory import Memory

pytestmark = pytest.mark.asyncio(loop_scope="session")

BLOCK_TOKENS = 32
LONG = "Please keep this in mind: " + "the sky is blue and the grass is green. " * 40


@pytest_asyncio.fixture(loop_scope="session")
async def engine(small_model_dir: Path, tmp_path: Path) -> AsyncIterator[NotingEngine]:
    metrics = PrometheusMetrics()
    options = EngineOptions(
        "paged", small_model_dir, cache_gigabytes=0.1, disk_cache_dir=tmp_path / "kv_cache", disk_cache_gigabytes=1
    )
    process = EngineSupervisor(options, metrics.of_engine())
    await process.start()
    yield NotingEngine(process, metrics)
    await process.close()


async def test_typing_loads_a_conversation_after_a_restart_while_another_is_answered(
    engine: NotingEngine, chatml: PromptBuilder, memory: Memory, tmp_path: Path
) -> None:
    answering = make_answering(engine, chatml, memory)
    await answered(answering, "returning", LONG)
    conversation = answering.conversations.find(channel("returning"))
    assert conversation is not None
    history = len(prefix(answering, conversation))
    await until(lambda: len(list(tmp_path.glob("kv_cache/*/*.block"))) > history // BLOCK_TOKENS)
    killed = engine.process_id
    psutil.Process(killed).kill()
    await until(lambda: engine.facts is not None and engine.process_id != killed)

    long_prompt = tuple(chatml.tokenizer.encode("Once upon a time"))
    streaming = engine.submit(GenerationRequest(long_prompt, frozenset(), max_new_tokens=2000))
    async with prefilling(answering) as prefill_ahead:
        with answering.queue.join("streaming", "Ada"):
            tokens = aiter(streaming)
            await anext(tokens)
            prefill_ahead.expect(channel("returning"))
            await until(lambda: len(engine.outcomes) == 1)
            shutil.rmtree(tmp_path / "kv_cache")
            before = engine.uncached_tokens
            await answered(answering, "returning")
            assert engine.uncached_tokens - before < BLOCK_TOKENS < history
            assert streaming.outcome is None
            streaming.cancel()
