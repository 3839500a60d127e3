"""simcord's in-memory model of Discord, in real time and with attachments on this server.

simcord's backend is a private interface, so its version is pinned.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import discord
from simcord.backend import Backend, errors, serializers
from simcord.backend.access import channel_accessible
from simcord.backend.models import Channel
from simcord.enums import ChannelType

from bot.demo.loopback.cdn import Cdn
from bot.demo.loopback.events import EventKind
from bot.demo.loopback.values import Payload

INTERACTION_SECONDS = 900.0
"""How long an interaction's token is valid on Discord."""

_GROUP_DM = discord.ChannelType.group.value


class RealClock:
    """Replaces simcord's virtual clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)


class LoopbackBackend(Backend):  # type: ignore[misc]  # simcord carries no types
    """simcord's backend, extended by the changes that only one person sees.

    Discord's gateway sends a bot no event about ephemeral messages, so simcord has none either. The page needs them:
    their person sees them come, change and go. simcord's bot is a member of every guild and of every DM; here, there
    are others too.

    Attributes:
        private_channels: the ids of DMs and group DMs without the bot.
        interaction_seconds: how long the tokens of new interactions are valid.
        owners: through whose installations each interaction came, by its id.
    """

    def __init__(
        self, cdn: Cdn, on_ephemeral: Callable[[EventKind, Any], None], on_dm_opened: Callable[[Any], None]
    ) -> None:
        super().__init__(clock=RealClock())
        self.cdn = cdn
        self._on_ephemeral = on_ephemeral
        self._on_dm_opened = on_dm_opened
        self.private_channels: set[int] = set()
        self.owners: dict[int, dict[str, str]] = {}
        self.interaction_seconds = INTERACTION_SECONDS
        self.subscribers: list[Callable[[str, Mapping[str, Any]], None]] = []
        # simcord records everything for its assertions; a server that runs for days must not.
        self.transcript: deque[object] = deque(maxlen=0)
        self.http_requests: deque[object] = deque(maxlen=0)

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send a gateway event to the subscribers."""
        if event == "TYPING_START":
            payload = {**payload, "timestamp": int(time.time())}
        elif event == "MESSAGE_UPDATE":
            payload = {**payload, **self._member_part(payload)}
        super().emit(event, payload)

    def commit_message(self, message: Any, *, broadcast: bool = True) -> Any:
        """Store a message and publish it. It opens its thread if that is closed."""
        channel = self.get_channel(message.channel_id)
        if channel.is_thread and channel.thread_metadata.archived:
            self.edit_channel(channel.id, {}, thread_metadata={"archived": False})
        if message.interaction_metadata is not None:
            owners = self.owners[int(message.interaction_metadata["id"])]
            message.interaction_metadata["authorizing_integration_owners"] = owners
        committed = super().commit_message(message, broadcast=broadcast)
        self._publish_if_ephemeral(EventKind.MESSAGE, committed)
        return committed

    def edit_message(self, channel_id: int, message_id: int, fields: dict[str, Any]) -> Any:
        """Change a message and publish the change."""
        message = super().edit_message(channel_id, message_id, fields)
        self._publish_if_ephemeral(EventKind.MESSAGE_EDIT, message)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        """Delete a message and publish the deletion."""
        message = self.get_message(channel_id, message_id)
        super().delete_message(channel_id, message_id)
        self._publish_if_ephemeral(EventKind.MESSAGE_DELETE, message)

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel or a thread and publish the deletion.

        A channel's threads go with it. As on Discord, they have no event of their own.
        """
        for thread in [one for one in self.channels.values() if one.is_thread and one.parent_id == channel_id]:
            del self.channels[thread.id], self.messages[thread.id]
            self.guilds[thread.guild_id].thread_ids.remove(thread.id)
        super().delete_channel(channel_id)

    def get_dm_channel(self, user_id: int) -> Any:
        """Find or open the DM between a user and the bot."""
        is_new = user_id not in self.dm_channels
        channel = super().get_dm_channel(user_id)
        if is_new:
            self._on_dm_opened(channel)
        return channel

    def can_see(self, channel_id: int, user_id: int) -> bool:
        """Whether a channel exists and a user can see it."""
        if channel_id in self.private_channels:
            return user_id in self.channels[channel_id].recipient_ids
        return bool(channel_accessible(self, channel_id, user_id))

    def require_permissions(self, guild_id: int | None, user_id: int, channel_id: int | None, *names: str) -> None:
        """Refuse a user who cannot see a channel or lacks a permission there."""
        if channel_id not in self.private_channels:
            super().require_permissions(guild_id, user_id, channel_id, *names)
        elif not self.can_see(channel_id, user_id):
            raise errors.missing_access()

    def open_private_channel(self, people: Sequence[int]) -> Channel:
        """Find or open the DM or group DM of some people, without the bot."""
        for channel_id in self.private_channels:
            if set(self.channels[channel_id].recipient_ids) == set(people):
                return self.channels[channel_id]
        kind = ChannelType.DM if len(people) == 2 else _GROUP_DM
        owner = people[0] if kind == _GROUP_DM else None
        channel = self.create_channel(None, None, type=kind, recipient_ids=list(people), owner_id=owner)
        self.private_channels.add(channel.id)
        self._on_dm_opened(channel)
        return channel

    def create_server(self, name: str, owner_id: int) -> Any:
        """Create a guild without the bot."""
        # simcord announces every guild to the bot before the bot could leave it.
        listeners, self.subscribers = self.subscribers, []
        try:
            guild = self.create_guild(name, owner_id=owner_id)
        finally:
            self.subscribers = listeners
        del guild.members[self.bot_user.id]
        guild.everyone_role.permissions |= discord.Permissions.use_external_apps.flag
        return guild

    def new_interaction(self, type: int, channel_id: int, user_id: int, guild_id: int | None) -> Any:
        """Create an interaction, whose token ends after `interaction_seconds`."""
        record = super().new_interaction(type, channel_id, user_id, guild_id)
        record.expires_at = self.iso_after(self.interaction_seconds)
        return record

    def add_bot(self, guild_id: int) -> None:
        """Add the bot to a guild, with its role, and announce the guild to it."""
        guild = self.get_guild(guild_id)
        if self.bot_user.id not in guild.members:
            self.add_member(
                guild_id, self.bot_user.id, roles=[role.id for role in guild.roles.values() if role.managed]
            )
            payload = dict(serializers.guild_create_payload(self, guild))
            payload.pop("unavailable", None)  # only a guild that a bot was in before has it
            self.emit("GUILD_CREATE", payload)

    def remove_bot(self, guild_id: int) -> None:
        """Remove the bot from a guild, and tell it."""
        guild = self.get_guild(guild_id)
        if self.bot_user.id in guild.members:
            self.emit("GUILD_DELETE", {"id": str(guild_id)})
            self.remove_member(guild_id, self.bot_user.id)

    def _member_part(self, message: Mapping[str, Any]) -> Payload:
        """Return the author's `member` field, which Discord adds to the message events of a guild."""
        guild = self.guilds.get(int(message.get("guild_id") or 0))
        member = guild and guild.members.get(int(message["author"]["id"]))
        return {"member": serializers.member_payload(self, guild, member, with_user=False)} if member else {}

    def _publish_if_ephemeral(self, kind: EventKind, message: Any) -> None:
        if message.is_ephemeral:
            self._on_ephemeral(kind, message)
