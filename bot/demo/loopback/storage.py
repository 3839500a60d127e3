"""The in-memory model of Discord behind the server: `simcord`'s, in real time and with addresses on this server.

simcord's backend is a private interface; its version is pinned.
"""

from __future__ import annotations

import mimetypes
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from simcord.backend import Backend, serializers

from bot.demo.loopback.events import EventKind
from bot.demo.loopback.values import Payload


class RealClock:
    """Real time in place of simcord's virtual clock."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)


class Cdn:
    """Keeps attachments, under addresses of this server.

    Attributes:
        base_url: what every address begins with; set before the first attachment is stored.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self._stored: dict[str, tuple[bytes, str]] = {}

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> Payload:
        """Keep a file and return its attachment payload."""
        path = f"/attachments/{channel_id}/{attachment_id}/{quote(filename, safe='')}"
        content_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
        self._stored[path] = data, content_type
        return {
            "id": str(attachment_id),
            "filename": filename,
            "description": description,
            "size": len(data),
            "url": self.base_url + path,
            "proxy_url": self.base_url + path,
            "content_type": content_type,
        }

    def get(self, path: str) -> tuple[bytes, str] | None:
        """Return the content stored under a path below `base_url` and its content type, or None."""
        return self._stored.get(path)


class LoopbackBackend(Backend):  # type: ignore[misc]  # simcord carries no types
    """simcord's backend, which also tells about what only one person sees.

    Discord's gateway never tells a bot about ephemeral messages, so simcord has no event for them, yet their
    person sees them come, change and go.
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
        """Tell the subscribers about a gateway event."""
        if event == "TYPING_START":
            payload = {**payload, "timestamp": int(time.time())}
        elif event == "MESSAGE_UPDATE":
            payload = {**payload, **self._member_part(payload)}
        super().emit(event, payload)

    def commit_message(self, message: Any, *, broadcast: bool = True) -> Any:
        """Store a message and tell about it."""
        committed = super().commit_message(message, broadcast=broadcast)
        self._tell_if_ephemeral(EventKind.MESSAGE, committed)
        return committed

    def edit_message(self, channel_id: int, message_id: int, fields: dict[str, Any]) -> Any:
        """Change a message and tell about it."""
        message = super().edit_message(channel_id, message_id, fields)
        self._tell_if_ephemeral(EventKind.MESSAGE_EDIT, message)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        """Delete a message and tell about it."""
        message = self.get_message(channel_id, message_id)
        super().delete_message(channel_id, message_id)
        self._tell_if_ephemeral(EventKind.MESSAGE_DELETE, message)

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel or a thread and tell about it. A channel's threads go with it, which Discord does not
        tell: a client knows."""
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
        """What a message event of a server adds to the message: who its author is there."""
        guild = self.guilds.get(int(message.get("guild_id") or 0))
        member = guild and guild.members.get(int(message["author"]["id"]))
        return {"member": serializers.member_payload(self, guild, member, with_user=False)} if member else {}

    def _tell_if_ephemeral(self, kind: EventKind, message: Any) -> None:
        if message.is_ephemeral:
            self._on_ephemeral(kind, message)
