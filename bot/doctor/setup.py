"""What the checks have in common: the settings, and what several of them need and only one has to find out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import discord

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.discord_client.channel_scopes import mode_scopes
from bot.doctor.check import Findings, in_thread
from bot.doctor.checks.data_folder import Program, programs_using
from bot.doctor.checks.database import is_on_server, read_database
from bot.doctor.checks.model import usable_model
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder
from bot.settings import ReadSettings, Settings
from bot.storage.inspection import DatabaseState


class Setup:
    """One setup while it is examined. Belongs to one event loop.

    Args:
        read: the settings and their mistakes.
        env_file: where they come from; it may be missing.
        offline: whether nothing may be asked over the network.
    """

    def __init__(self, read: ReadSettings, env_file: Path, *, offline: bool) -> None:
        self.read = read
        self.env_file = env_file
        self.offline = offline

    @property
    def settings(self) -> Settings:
        """With the defaults in place of what is wrong."""
        return self.read.settings

    def wrong(self, names: Sequence[str]) -> list[str]:
        """Those of these settings that are wrong; the file itself if it cannot be read and may set one of them."""
        mistaken = {each.setting for each in self.read.mistakes}
        found = [name for name in names if name in mistaken]
        if not self.read.is_file_read and not self.read.given.issuperset(names):
            found.append(str(self.env_file))
        return found

    async def model(self) -> tuple[ModelFolder | None, Findings]:
        """See `usable_model`."""
        return await asyncio.shield(self._model)

    async def programs(self) -> Sequence[Program]:
        """See `programs_using`."""
        return await asyncio.shield(self._programs)

    async def bot_runs(self) -> bool:
        """Whether the bot runs with this data folder, as far as can be known."""
        return any(each.is_bot for each in await self.programs())

    async def database(self) -> DatabaseState:
        """See `read_database`."""
        return await asyncio.shield(self._database)

    async def modes(self) -> Sequence[ModeSetting]:
        """The modes of the channels; none if the database cannot be read, which its own check reports."""
        if self.wrong(["DATABASE_URL", "DATA_DIR"]):
            return []
        try:
            if self.offline and is_on_server(self.settings):
                return []
            return (await self.database()).modes
        except ConfigurationError:
            return []

    @cached_property
    def _model(self) -> asyncio.Task[tuple[ModelFolder | None, Findings]]:
        return asyncio.create_task(in_thread(partial(usable_model, self.settings)))

    @cached_property
    def _programs(self) -> asyncio.Task[Sequence[Program]]:
        return asyncio.create_task(in_thread(partial(programs_using, self.settings)))

    @cached_property
    def _database(self) -> asyncio.Task[DatabaseState]:
        return asyncio.create_task(read_database(self.settings))


def opens_threads(settings: Settings, modes: Sequence[ModeSetting], channel: Any) -> bool:
    """Whether questions in a channel get threads of their own; see `Addressing.opens_thread`."""
    by_channel = {each.channel_id: each.mode for each in modes}
    mode = next((by_channel[scope] for scope in mode_scopes(channel) if scope in by_channel), None)
    is_parent = isinstance(channel, discord.TextChannel)
    return settings.message_content_intent and is_parent and mode is ChannelMode.THREADS
