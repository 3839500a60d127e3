"""simcord's in-memory model of Discord, in real time and with attachments on this server.

simcord's backend is a private interface, so its version is pinned.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from simcord.backend import Backend, serializers

from bot.demo.loopback.cdn import Cdn
from bot.demo.loopback.events import EventKind
from bot.demo.loopback.values import Payload


class RealClock:
    """Replaces simcord's virtual clock."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)


class LoopbackBackend(Backend):  # type: ignore[misc]  # simcord carries no types
    """simcord's backend, extended by the changes that only one person sees.

    Discord's gateway sends a bot no event about ephemeral messages, so simcord has none either. The page needs them:
    their person sees them come, change and go.
    """

    def __init__(
        self, cdn: Cdn, on_ephemeral: Callable[[EventKind, Any], None], on_dm_opened: Callable[[Any], None]
    ) -> None:
        super().__init__(clock=RealClock())
        self.cdn = cdn
        self._on_ephemeral = on_ephemeral
        self._on_dm_opened = on_dm_opened
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

    def _member_part(self, message: Mapping[str, Any]) -> Payload:
        """Return the author's `member` field, which Discord adds to the message events of a guild."""
        guild = self.guilds.get(int(message.get("guild_id") or 0))
        member = guild and guild.members.get(int(message["author"]["id"]))
        return {"member": serializers.member_payload(self, guild, member, with_user=False)} if member else {}

    def _publish_if_ephemeral(self, kind: EventKind, message: Any) -> None:
        if message.is_ephemeral:
            self._on_ephemeral(kind, message)
