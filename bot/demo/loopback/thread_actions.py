"""People's threads on the loopback Discord."""

from __future__ import annotations

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.threads import edit_thread, start_thread
from bot.demo.loopback.values import LoopbackError


class ThreadActions:
    """The part of `LoopbackDiscord` through which people start, close and delete threads and delete channels."""

    _state: DiscordState

    async def create_thread(self, person_id: int, channel_id: int, name: str, *, message_id: int | None = None) -> int:
        """Start a public thread in a text channel, with or without a message to start from.

        Returns:
            The thread's channel id. A thread started from a message has the message's id.
        """
        with as_loopback_errors():
            return int(start_thread(self._state, person_id, channel_id, name, message_id).id)

    async def archive_thread(self, person_id: int, thread_id: int, *, lock: bool = False) -> None:
        """Close a thread: one's own, or any with `manage_threads`. A message opens it again.

        Args:
            lock: with `manage_threads`, so that only those who have it can open it again.
        """
        await self._edit(person_id, thread_id, {"archived": True, **({"locked": True} if lock else {})})

    async def reopen_thread(self, person_id: int, thread_id: int) -> None:
        """Open a closed thread again, and unlock it if it is locked, which needs `manage_threads`."""
        with as_loopback_errors():
            metadata = self._state.require(person_id, thread_id, "view_channel").thread_metadata
        is_locked = metadata is not None and metadata.locked
        await self._edit(person_id, thread_id, {"archived": False, **({"locked": False} if is_locked else {})})

    async def delete_channel(self, person_id: int, channel_id: int) -> None:
        """Delete a thread with `manage_threads`, or a text channel and its threads with `manage_channels`.

        Their messages go without events of their own.
        """
        with as_loopback_errors():
            channel = self._state.require(person_id, channel_id, "view_channel")
            if channel.guild_id is None:
                raise LoopbackError("Discord refuses: a DM cannot be deleted")
            needed = "manage_threads" if channel.is_thread else "manage_channels"
            self._state.require(person_id, channel_id, needed)
            self._state.backend.delete_channel(channel_id)

    async def _edit(self, person_id: int, thread_id: int, changes: dict[str, bool]) -> None:
        with as_loopback_errors():
            if not self._state.require(person_id, thread_id, "view_channel").is_thread:
                raise LoopbackError(f"channel {thread_id} is not a thread")
            edit_thread(self._state, person_id, thread_id, dict(changes))
