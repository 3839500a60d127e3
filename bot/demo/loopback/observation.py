"""People's view of the loopback Discord."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from simcord.backend import serializers
from simcord.enums import ChannelType

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.events import Subscription
from bot.demo.loopback.values import Payload

Found = TypeVar("Found")


class Observation:
    """The part of `LoopbackDiscord` through which people see."""

    _state: DiscordState

    def channels_of(self, person_id: int) -> list[Payload]:
        """List the channels that a person can read: every server's, each followed by its threads, then the DMs.

        Returns:
            `{"id": "…", "name": "general", "kind": "text" | "forum" | "thread" | "dm" | "private", "parent_id": "…" or
            None, "server_id": "…" or None}` each. The DM with the bot is listed under its name once `open_dm` or the
            bot opened it; a private channel is a DM of people alone.
        """
        backend = self._state.backend
        listed = [entry for server in self._state.servers for entry in self._channels_in(person_id, server.id)]
        dm_id = backend.dm_channels.get(person_id)
        if dm_id is not None:
            listed.append(_channel_entry(dm_id, self._state.bot.name, "dm"))
        names = {person.id: person.name for person in self._state.people}
        for channel_id in sorted(backend.private_channels):
            people = backend.channels[channel_id].recipient_ids
            if person_id in people:
                others = ", ".join(names[other] for other in people if other != person_id)
                listed.append(_channel_entry(channel_id, others, "private"))
        return listed

    def _channels_in(self, person_id: int, server_id: int) -> list[Payload]:
        backend = self._state.backend
        listed: list[Payload] = []
        for channel_id in backend.guilds[server_id].channel_ids:
            channel = backend.channels[channel_id]
            if not backend.can_see(channel_id, person_id):
                continue
            kind = "forum" if channel.type == ChannelType.FORUM else "text"
            listed.append(_channel_entry(channel_id, channel.name, kind, server_id=server_id))
            for thread in backend.active_threads(server_id):
                if thread.parent_id == channel_id and backend.can_see(thread.id, person_id):
                    listed.append(_channel_entry(thread.id, thread.name, "thread", channel_id, server_id=server_id))
        return listed

    def messages(self, person_id: int, channel_id: int) -> list[Payload]:
        """List the messages of a channel that a person sees, oldest first, as Discord's message payloads.

        Attachments have a `url` on this server. A reply has `message_reference` and `referenced_message`; a response
        to an interaction has `interaction_metadata` with the command's `name` and the `user` of the command. Flag 64
        marks an ephemeral message, which only its person sees, and 128 a deferred response ("Phi is thinking…").

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
        """List the ids of the users whose typing indicator shows in a channel."""
        return self._state.typing.in_channel(channel_id)

    def subscribe(self) -> Subscription:
        """Return an iterator over every event from now on: `async for event in server.subscribe()`."""
        return self._state.hub.subscribe()

    async def wait_for(
        self,
        condition: Callable[[], Found | None],
        timeout: float = 30,  # noqa: ASYNC109  the error names what was awaited
        *,
        what: str | None = None,
    ) -> Found:
        """Return the condition's value as soon as it is truthy. It is evaluated now and after every change.

        Args:
            condition: must be quick; it may run often.
            timeout: in seconds.
            what: names the condition in the error; its source text if None.

        Raises:
            TimeoutError: the condition stayed falsy. The message names it.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._state.hub.wait_for(condition)
        except TimeoutError:
            raise TimeoutError(f"not within {timeout:g} s: {what or _source_of(condition)}") from None


def _channel_entry(
    channel_id: int, name: str | None, kind: str, parent_id: int | None = None, *, server_id: int | None = None
) -> Payload:
    parent = None if parent_id is None else str(parent_id)
    server = None if server_id is None else str(server_id)
    return {"id": str(channel_id), "name": name, "kind": kind, "parent_id": parent, "server_id": server}


def _source_of(condition: Callable[[], Any]) -> str:
    """Return the condition's source on one line, or its name if it was typed into a prompt and has no source."""
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
