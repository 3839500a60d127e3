"""Threads that are closed: what Discord refuses in them, and how they open again.

Source: https://discord.com/developers/docs/topics/threads
"""

from __future__ import annotations

from typing import Any

from simcord.backend import errors, serializers
from simcord.backend.errors import BackendError
from simcord.enums import ChannelType
from simcord.http.router import UnsupportedField

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.message_checks import form_error
from bot.demo.loopback.values import Payload

_LONGEST_NAME = 100
_HAS_THREAD = 1 << 5
_PARENTS = (ChannelType.TEXT, ChannelType.NEWS)
_STATE_FIELDS = {"archived", "locked", "auto_archive_duration", "invitable"}
_FIELDS = _STATE_FIELDS | {"name", "rate_limit_per_user"}
_FIELDS_OF_ITS_OWNER = {"archived", "auto_archive_duration", "name", "rate_limit_per_user"}


def check_not_archived(channel: Any) -> None:
    """Refuse a change inside an archived thread."""
    if channel.is_thread and channel.thread_metadata.archived:
        raise BackendError(400, 50083, "Thread is archived")


def check_thread_name(name: object) -> None:
    """Refuse a name that is empty or over 100 characters."""
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= _LONGEST_NAME:
        text = f"Must be between 1 and {_LONGEST_NAME} in length."
        raise form_error(("name",), "BASE_TYPE_BAD_LENGTH", text)


def check_sendable(state: DiscordState, channel: Any, user_id: int) -> None:
    """Refuse a message in a forum, or in a locked thread, unless its author may open the thread again."""
    if channel.type == ChannelType.FORUM:
        raise BackendError(400, 40058, "Cannot send a message in a forum channel")
    if not channel.is_thread or not channel.thread_metadata.locked:
        return
    if not state.has_permission(user_id, channel.id, "manage_threads"):
        raise BackendError(400, 160005, "Thread is locked")


def start_thread(state: DiscordState, user_id: int, channel_id: int, name: object, message_id: int | None) -> Any:
    """Start a public thread in a text channel, from a message or without one, and return it.

    Raises:
        BackendError: among others 50024 where no thread can start, 160004 for a second one from a message.
    """
    channel = state.require(user_id, channel_id, "create_public_threads")
    if channel.guild_id is None or channel.type not in _PARENTS:
        raise errors.cannot_execute_on_channel_type()
    check_thread_name(name)
    if message_id is None:
        # Discord announces such a thread in its channel by a message.
        return state.backend.create_thread(channel_id, name, user_id)
    state.require(user_id, channel_id, "read_message_history")
    message = state.backend.get_message(channel_id, message_id)
    if message.is_ephemeral:
        raise errors.unknown_message()
    if message_id in state.backend.channels:
        raise BackendError(400, 160004, "A thread has already been created for this message")
    thread = state.backend.create_thread(channel_id, name, user_id, message_id=message_id, broadcast=False)
    state.backend.announce_thread_create(thread)
    message.flags |= _HAS_THREAD
    state.backend.emit("MESSAGE_UPDATE", state.message_payload(message))
    return thread


def edit_thread(state: DiscordState, user_id: int, channel_id: int, changes: Payload) -> Payload:
    """Change a thread, and return its payload.

    Whoever may send opens a thread that is not locked; its owner also closes and names it; everything else needs
    Manage Threads.
    """
    thread = state.require(user_id, channel_id)
    if unknown := sorted(set(changes) - _FIELDS):
        raise UnsupportedField("PATCH", f"/channels/{channel_id}", unknown)
    if "name" in changes:
        check_thread_name(changes["name"])
    if changes.get("archived") is not False:
        check_not_archived(thread)
    is_locked = thread.thread_metadata.locked
    if changes == {"archived": False} and not is_locked:
        state.require(user_id, channel_id, "send_messages_in_threads")
    elif thread.owner_id != user_id or is_locked or not changes.keys() <= _FIELDS_OF_ITS_OWNER:
        state.require(user_id, channel_id, "manage_threads")
    state.backend.edit_channel(
        channel_id,
        {key: value for key, value in changes.items() if key not in _STATE_FIELDS},
        thread_metadata={key: value for key, value in changes.items() if key in _STATE_FIELDS},
    )
    return dict(serializers.channel_payload(state.backend, thread))
