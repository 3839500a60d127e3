"""Switches a running bot to the version that the pointer names."""

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
    """Polls the pointer and loads the version that it names; a refused one again only after the pointer is rewritten.

    A folder without versions is not followed: its files are written one by one, and only their writer knows when they
    are complete. `/model reload` is for that.

    Args:
        service: whose folder is followed.
        seconds: between two polls.
    """

    def __init__(self, service: ModelService, seconds: float = 2.0) -> None:
        self._service = service
        self._seconds = seconds
        self._logged_error: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start polling."""
        self._task = asyncio.create_task(self._poll_forever(), name="version watcher")

    async def close(self) -> None:
        """Stop polling, and give up a version that is still loading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def poll(self) -> None:
        """Read the pointer once, and load its version unless that answers already or was refused."""
        service = self._service
        model_dir = service.model_dir
        choice = await self._read_choice(model_dir)
        if choice is None or not choice.has_versions:
            return
        if service.is_replacing or service.model_dir != model_dir:
            return  # a command got in between; the next poll sees its result
        if choice.folder == service.folder.path:
            service.refusal = None
        elif service.refusal is None or service.refusal.choice != choice:
            await self._load(choice.folder.name)

    async def _poll_forever(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self.poll()

    async def _read_choice(self, model_dir: Path) -> Choice | None:
        try:
            choice = await asyncio.to_thread(read_choice, model_dir)
        except ConfigurationError as error:
            if str(error) != self._logged_error:
                self._logged_error = str(error)
                logger.warning("Version pointer unusable: serving=%s reason=%s", self._service.folder.title, error)
            return None
        self._logged_error = None
        return choice

    async def _load(self, version: str) -> None:
        try:
            logger.info("Version loaded: %s", await self._service.replace())
        except ConfigurationError as error:
            title = self._service.folder.title
            logger.warning("Version refused: version=%s serving=%s reason=%s", version, title, error)
        except Exception:  # one broken version must not end the watcher, which has to see the next one
            logger.exception("Version failed to load: version=%s serving=%s", version, self._service.folder.title)
