"""Erases words from the caches of all engines, so that none outlives its deletion."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from bot.engine.erasure_log import ErasureLog
from bot.engine.interface import EngineOptions, Erasure
from bot.engine.supervisor.held_messages import HeldMessages
from bot.engine.supervisor.supervisor import EngineSupervisor


class EngineCaches:
    """The caches of all engines, in memory and on disk.

    Args:
        options: of every engine, but for the model.
        engines: those that live or load.

    Attributes:
        held_messages: for every engine.
    """

    def __init__(self, options: EngineOptions, engines: Callable[[], Iterable[EngineSupervisor]]) -> None:
        folder = options.disk_cache_dir
        self._log = ErasureLog(folder) if folder is not None else None
        self._engines = engines
        self.held_messages = HeldMessages(known=folder is None)

    async def erase(self, erasure: Erasure) -> None:
        """Erase words; on return not even a crash can bring them back.

        What no cache can hold costs nothing: most edits and deletions on Discord are of messages that the bot never
        read.
        """
        if not self.held_messages.may_concern(erasure):
            self.held_messages.skip(erasure)
            return
        for engine in self._engines():
            engine.erase(erasure)
        if self._log is not None:
            await asyncio.to_thread(self._log.append, erasure)
