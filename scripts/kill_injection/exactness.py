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
_MOST_BESIDE = 8
"""Upper bound for the answers that end while another is generated."""

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
    compared = [views async for views in _views(database, edited)]
    compared = draw.sample(compared, min(len(compared), _MOST_COMPARED))
    others = []
    async with UncachedEngine(options) as engine:
        for views in compared:
            *_, turn = views[0]
            if turn.answer is None or not await _is_answered_so(engine, instance, turn.answer.ids, views):
                others.append(turn.id)
    return Comparison(len(compared), tuple(others))


async def _is_answered_so(
    engine: UncachedEngine, instance: ModelInstance, ids: Sequence[int] | None, views: Sequence[Sequence[Turn]]
) -> bool:
    for view in views:
        if ids == await engine.answer(_request(instance, view)):
            return True
    return False


async def _views(database: Path, edited: Set[int]) -> AsyncIterator[list[Sequence[Turn]]]:
    """Yield for each remembered turn what the model may have seen when it answered, the likeliest first.

    That is the branch of its parent, or of an earlier turn if others were answered beside it.
    """
    storage = await Storage.open(f"sqlite:///{database.as_posix()}", lambda _: None)
    try:
        memory = StoredMemory.read(database)
        for turn_id in memory.turns:
            *_, turn = await storage.conversations.branch(turn_id)
            views: list[Sequence[Turn]] = []
            parent_id = turn.parent_id
            while len(views) < _MOST_BESIDE and parent_id is not None:
                views.append([*await storage.conversations.branch(parent_id), turn])
                parent_id = memory.turns[parent_id].parent_id if parent_id in memory.turns else None
            if len(views) < _MOST_BESIDE:
                views.append([turn])
            seen = [each for view in views for each in view]
            if edited.isdisjoint(each.id for each in seen) and all(each.asked is not None for each in seen):
                yield views
    finally:
        await storage.close()


def _request(instance: ModelInstance, view: Sequence[Turn]) -> GenerationRequest:
    """Return the request that the bot made for the last turn of what the model saw."""
    asked = view[-1].asked
    assert asked is not None  # `_views` leaves erased turns out
    fitted = instance.model.window.fit(instance.system_prompt, view[:-1], asked)
    return instance.model.request(fitted.prompt.ids)
