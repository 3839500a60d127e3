"""What a history costs whoever returns to it: from the disk cache, and read anew, side by side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking.disk import require_free
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.returning_after_kill import after_kill
from benchmarking.returning_conversations import many_conversations
from benchmarking.returning_engine import Setup, loaded_engine
from benchmarking.returning_streams import beside_streams
from bot.engine.interface import EngineFacts, EngineOptions
from bot.model.folder import ModelFolder
from bot.settings import load_settings

_MEASURES: dict[str, Callable[[Setup], Awaitable[Figures]]] = {
    "after_kill": after_kill,
    "streams": beside_streams,
    "many": many_conversations,
}
"""The one that takes longest comes last."""

_PROBE_GIGABYTES = 0.5


async def returning(
    folder: ModelFolder,
    plan: Plan,
    parent: Path,
    say: Callable[[str], None],
    keep: Callable[[Figures], None],
) -> Figures:
    """Measure mentions after a kill, many conversations in turn, and what the disk cache costs others.

    Args:
        folder: the model that answers.
        parent: an existing folder for the caches and databases, which are deleted in the end.
        say: called with a line of progress.
        keep: called with the figures so far after each measure, so that an interruption costs little.

    Returns:
        `after_kill`, `many` and `streams`. One that fails holds the reason as `failed`. `disk_cache` says whether the
        engine had one at all, `complete` whether all were tried.

    Raises:
        MeasureError: the disk has no room for this.
    """
    options = load_settings(env_file=None, model_dir=folder.path, engine="paged", kv_disk_gigabytes=0).engine_options
    facts = await _probe(options, parent)
    token_bytes = facts.cache_bytes / facts.cache_tokens
    figures: Figures = {"disk_cache": facts.disk_cache_bytes > 0, "token_bytes": token_bytes, "complete": False}
    with TemporaryDirectory(dir=parent) as name:
        setup = Setup(folder, plan, Prompts(folder), Path(name), options, token_bytes, say)
        require_free(parent, setup.needed_bytes)
        for part, measure in _MEASURES.items():
            try:
                figures[part] = await measure(setup)
            except Exception as error:  # noqa: BLE001 - reported with its reason; the other measures go on
                figures[part] = {"failed": " ".join(str(error).split()) or type(error).__name__}
                say(f"{part} failed: {figures[part]['failed']}")
            keep(figures)
    return figures | {"complete": True}


async def _probe(options: EngineOptions, parent: Path) -> EngineFacts:
    """Return the facts of the engine with a disk cache, if it has one at all."""
    with TemporaryDirectory(dir=parent) as name:
        probed = replace(options, cache_gigabytes=_PROBE_GIGABYTES, disk_cache_dir=Path(name), disk_cache_gigabytes=1)
        async with loaded_engine(probed) as engine:
            assert engine.facts is not None  # it is loaded
            return engine.facts
