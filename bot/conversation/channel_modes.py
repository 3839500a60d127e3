"""How the bot is asked in each channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0


class ChannelMode(StrEnum):
    """How the bot is asked in a channel."""

    MENTION = "mention"  # by a mention
    THREADS = "threads"  # a mention opens a thread, in which nobody needs to mention
    FREE = "free"  # by every message


@dataclass(frozen=True, slots=True)
class ModeSetting:
    """What was set for a channel or a thread.

    Attributes:
        since_id: the time of the setting, as a Discord id. It does not make questions of earlier messages.
    """

    channel_id: int
    mode: ChannelMode
    since_id: int


class ModeStore(Protocol):
    """Keeps the modes for good. Reads and writes as in `ConversationStore`."""

    async def modes(self) -> Sequence[ModeSetting]:
        """The settings of all channels."""
        ...

    async def set_mode(self, setting: ModeSetting) -> bool:
        """Set a channel's mode; return False if that is stored later, after an outage."""
        ...

    async def clear_mode(self, channel_id: int) -> bool:
        """Let a channel have no mode of its own; return False if that is stored later, after an outage."""
        ...


class ChannelModes:
    """The modes of all channels, in memory: every message on every server asks for one.

    Args:
        store: keeps them for good.
        pause: waits between two tries to read the store.
    """

    def __init__(self, store: ModeStore, pause: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._store = store
        self._pause = pause
        self._settings: dict[int, ModeSetting] = {}
        self._changed_since_start: set[int] = set()  # the store may not have the change yet
        self.loaded = asyncio.Event()

    async def load(self) -> None:
        """Read all modes; during an outage, try again until it is over. Until then channels are asked by mentions."""
        while not self.loaded.is_set():
            try:
                stored = await self._store.modes()
            except DatabaseOutageError as error:
                logger.warning("Channel modes cannot be read, mentions are needed everywhere for now: cause=%s", error)
                await self._pause(_RETRY_SECONDS)
                continue
            kept = {each.channel_id: each for each in stored if each.channel_id not in self._changed_since_start}
            self._settings |= kept
            self.loaded.set()

    def setting(self, scopes: Sequence[int]) -> ModeSetting | None:
        """The setting of the first of these channels that has one; None where mentions are needed."""
        settings = self._settings
        return next((found for scope in scopes if (found := settings.get(scope)) is not None), None)

    def own(self, channel_id: int) -> ModeSetting | None:
        """A channel's or thread's own setting."""
        return self._settings.get(channel_id)

    def all(self) -> list[ModeSetting]:
        """Every setting."""
        return list(self._settings.values())

    async def set(self, setting: ModeSetting) -> bool:
        """Set a channel's mode, at once; return False if the store has it only after an outage."""
        self._changed_since_start.add(setting.channel_id)
        self._settings[setting.channel_id] = setting
        return await self._store.set_mode(setting)

    async def clear(self, channel_id: int) -> bool:
        """Let a channel have no mode of its own, at once; return False if the store has that only after an outage."""
        self.drop({channel_id})
        return await self._store.clear_mode(channel_id)

    def drop(self, channel_ids: Collection[int]) -> None:
        """Drop channels that were deleted, which the store does by itself."""
        self._changed_since_start.update(channel_ids)
        for channel_id in channel_ids:
            self._settings.pop(channel_id, None)
