"""A served model without Discord, in real engine processes, and what tests read from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bot.conversation.turn import ConversationKey
from bot.engine.interface import FinishReason
from bot.metrics.prometheus import PrometheusMetrics
from bot.serving.service import ModelService
from bot.settings import load_settings
from tests.conversation.memory import Memory, ask, person

ENDLESS = "Count from 1 to 1000: 1, 2, 3, 4, 5, 6, 7, 8,"


def make_serving(memory: Memory, model_dir: Path, **settings: object) -> ModelService:
    loaded = load_settings(env_file=None, model_dir=model_dir, max_new_tokens=8, **settings)
    return ModelService(loaded, memory.conversations(), PrometheusMetrics())


def broken(graph: bytes) -> bytes:
    """A whole graph that OpenVINO cannot load."""
    return graph.replace(b'type="MatMul"', b'type="NoSuchOperation"', 1)


def process_id(serving: ModelService) -> int:
    assert serving.facts is not None
    return serving.facts.process_id


def engines(parent: int | None = None) -> set[int]:
    """The engine processes of a process; None is this one."""
    found = set()
    for process in psutil.Process(parent).children():
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if "spawn_main" in " ".join(process.cmdline()):
                found.add(process.pid)
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - processes and the model service have no event for this
            await asyncio.sleep(0.01)


async def answered(serving: ModelService, name: str = "Ada") -> FinishReason:
    """Ask for a long answer in the person's own conversation, and return how it ended."""
    answer = serving.answering.ask(ask(ENDLESS, name, key=ConversationKey(person(name))))
    async for _ in answer.texts():
        pass
    assert answer.outcome is not None
    return answer.outcome.reason
