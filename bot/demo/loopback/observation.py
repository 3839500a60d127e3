"""What a person sees on the loopback Discord."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from simcord.backend import serializers
from simcord.backend.access import channel_accessible

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.events import Subscription
from bot.demo.loopback.values import Payload

Found = TypeVar("Found")


class Observation:
    """The part of `LoopbackDiscord` through which its people see."""

    _state: DiscordState

    def channels_of(self, person_id: int) -> list[Payload]:
        """List where a person can read: text channels, each followed by its threads, then the DM with the bot.

        Returns:
            `{"id": "…", "name": "general", "kind": "text" | "thread" | "dm", "parent_id": "…" or None}` each.
            The DM is there once somebody opened it (`open_dm`, or the bot), under the bot's name.
        """
        backend = self._state.backend
        guild = backend.guilds[self._state.guild_id]
        listed: list[Payload] = []
        for channel_id in guild.channel_ids:
            channel = backend.channels[channel_id]
            if not channel_accessible(backend, channel_id, person_id):
                continue
            listed.append(_channel_entry(channel_id, channel.name, "text", None))
            for thread in backend.active_threads(guild.id):
                if thread.parent_id == channel_id and channel_accessible(backend, thread.id, person_id):
                    listed.append(_channel_entry(thread.id, thread.name, "thread", channel_id))
        dm_id = backend.dm_channels.get(person_id)
        if dm_id is not None:
            listed.append(_channel_entry(dm_id, self._state.bot.name, "dm", None))
        return listed

    def messages(self, person_id: int, channel_id: int) -> list[Payload]:
        """List the messages of a channel that a person sees, oldest first, as Discord's message payloads.

        Besides `id` (a string), `author`, `content`, `timestamp`, `edited_timestamp`, `flags` and `reactions`,
        they hold `attachments` with a `url` on this server, `components`, for replies `message_reference` and
        `referenced_message`, and for answers to an interaction `interaction_metadata` (`name` is the command's,
        `user` who used it). Flag 64 marks an ephemeral message, 128 a deferred answer that is still to come
        ("Phi is thinking…"). Ephemeral messages are listed only for the person they belong to.

        Raises:
            LoopbackError: the person cannot read there.
        """
        with as_loopback_errors():
            self._state.require(person_id, channel_id, "view_channel", "read_message_history")
        backend = self._state.backend
        stored = sorted(backend.messages[channel_id].values(), key=lambda message: int(message.id))
        return [
            dict(serializers.message_payload(backend, message, for_user=person_id))
            for message in stored
            if message.visible_to(person_id)
        ]

    def typing(self, channel_id: int) -> list[int]:
        """List the ids of the users who are typing: since less than 10 s, and without a message since."""
        return self._state.typing.in_channel(channel_id)

    def subscribe(self) -> Subscription:
        """Receive every event from now on: `async for event in server.subscribe()`. See `EventKind`."""
        return self._state.hub.subscribe()

    async def wait_for(
        self,
        condition: Callable[[], Found | None],
        timeout: float = 30,  # noqa: ASYNC109  the error names what was awaited
        *,
        what: str | None = None,
    ) -> Found:
        """Wait until a condition holds; it is asked at once and again after every change.

        Args:
            condition: returns something truthy when it holds.
            timeout: how long to wait, in seconds.
            what: what is awaited, for the error; the condition's own source text if None.

        Returns:
            The condition's value.

        Raises:
            TimeoutError: it did not hold in time. The message says what was awaited.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._state.hub.wait_for(condition)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout:g} s: {what or _source_of(condition)}") from None


def _channel_entry(channel_id: int, name: str | None, kind: str, parent_id: int | None) -> Payload:
    parent = None if parent_id is None else str(parent_id)
    return {"id": str(channel_id), "name": name, "kind": kind, "parent_id": parent}


def _source_of(condition: Callable[[], Any]) -> str:
    """The condition's source on one line. A condition typed into a prompt has none; its name must do."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
