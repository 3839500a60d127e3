"""Takes a new version of the model up while the bot runs, by looking at the pointer that says which one answers."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.folder import read_choice
from bot.model.versions import Choice
from bot.serving.service import ModelService

logger = logging.getLogger(__name__)


class VersionWatcher:
    """Lets the version answer that the pointer names, each time that the pointer is written.

    A folder without versions is not followed: its files are written one after another, and only who writes them knows
    when they belong together. `/model reload` is for that.

    Args:
        serving: the model that answers, and the folder that is followed.
        seconds: from one look to the next.
    """

    def __init__(self, serving: ModelService, seconds: float = 2.0) -> None:
        self._serving = serving
        self._seconds = seconds
        self._outage: str | None = None  # with the pointer, as it was told
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch(), name="model watch")

    async def close(self) -> None:
        """Stop looking. A version that is being loaded is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def look(self) -> None:
        """Look once, and let another version take over where the pointer names one that was not refused."""
        serving = self._serving
        model_dir = serving.model_dir
        choice = await self._read_choice(model_dir)
        if choice is None or not choice.has_versions:
            return
        if serving.is_replacing or serving.model_dir != model_dir:
            return  # by a command; the next look sees what came of it
        if choice.folder == serving.folder.path:
            serving.refusal = None
        elif serving.refusal is None or serving.refusal.choice != choice:
            await self._take_up(choice.folder.name)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.look()

    async def _read_choice(self, model_dir: Path) -> Choice | None:
        try:
            choice = await asyncio.to_thread(read_choice, model_dir)
        except ConfigurationError as error:
            if str(error) != self._outage:
                self._outage = str(error)
                logger.warning("%s goes on answering: %s", self._serving.folder.title, error)
            return None
        self._outage = None
        return choice

    async def _take_up(self, version: str) -> None:
        try:
            logger.info("%s", await self._serving.replace())
        except ConfigurationError as error:
            logger.warning("%s goes on answering, not the version %s: %s", self._serving.folder.title, version, error)
        except Exception:  # whatever is wrong with a version, the watch must see the next one
            logger.exception("%s goes on answering, not the version %s", self._serving.folder.title, version)
