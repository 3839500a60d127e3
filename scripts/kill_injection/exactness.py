"""Compares what the bot remembers as its answers with those of an engine without any cache."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from disk_cache_faults.uncached_engine import UncachedEngine
from separate_bot.stored_memory import StoredMemory

from bot.conversation.turn import Turn
from bot.engine.interface import GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.model.folder import open_model_folder
from bot.serving.model_instance import ModelInstance
from bot.settings import load_settings
from bot.storage.storage import Storage

EXACT = {"DEVICE_PROPERTIES": "INFERENCE_PRECISION_HINT=f32,KV_CACHE_PRECISION=f32", "TOP_K": "50"}
"""Settings with which answers repeat to the last token: a prompt that is read in other pieces differs in the last bits
only, and the tiny models' likely tokens lead by far more, on any processor."""

_MOST_COMPARED = 200
_CACHE_GIGABYTES = 1e-3
"""The engine makes about 1,000 tokens of it, its least."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many answers were compared, and the turns of those that have other tokens."""

    compared: int
    others: tuple[int, ...]


async def compare_answers(
    model_dir: Path, database: Path, settings: dict[str, str], edited: Set[int], draw: random.Random
) -> Comparison:
    """Compare a sample of the remembered answers.

    Args:
        settings: the bot's, with `EXACT`.
        edited: questions whose text may have changed since their answer; turns that saw them are left out.
        draw: chooses the sample.
    """
    folder = open_model_folder(model_dir)
    chosen: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
    bot_settings = load_settings(env_file=None, model_dir=model_dir, **(chosen | {"kv_disk_gigabytes": 0}))
    options = replace(bot_settings.engine_options, model_dir=folder.path, cache_gigabytes=_CACHE_GIGABYTES)
    instance = ModelInstance.prepare(folder, EngineSupervisor(options), bot_settings)
    branches = [each async for each in _branches(database) if edited.isdisjoint(turn.id for turn in each)]
    branches = draw.sample(branches, min(len(branches), _MOST_COMPARED))
    others = []
    async with UncachedEngine(options) as engine:
        for branch in branches:
            request = _request(instance, branch)
            answer = branch[-1].answer
            if answer is None or answer.ids != await engine.answer(request):
                others.append(branch[-1].id)
    return Comparison(len(branches), tuple(others))


async def _branches(database: Path) -> AsyncIterator[Sequence[Turn]]:
    """Yield each remembered turn after those that the model saw when it answered."""
    storage = await Storage.open(f"sqlite:///{database.as_posix()}", lambda _: None)
    try:
        for turn_id in StoredMemory.read(database).turns:
            branch = await storage.conversations.branch(turn_id)
            if all(turn.asked is not None for turn in branch):
                yield branch
    finally:
        await storage.close()


def _request(instance: ModelInstance, branch: Sequence[Turn]) -> GenerationRequest:
    """Return the request that the bot made for the last turn."""
    asked = branch[-1].asked
    assert asked is not None  # `_branches` leaves erased turns out
    fitted = instance.model.window.fit(instance.system_prompt, branch[:-1], asked)
    return instance.model.request(fitted.prompt.ids)
