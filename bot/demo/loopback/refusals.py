"""Discord's refusals that follow from the state of the guild, and that simcord does not make or words differently."""

from __future__ import annotations

import re
from typing import Any

from simcord.backend import errors
from simcord.backend.errors import BackendError
from simcord.enums import ChannelType

from bot.demo.loopback.api_calls import CallKind, kind_of
from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.interaction_rules import check_response
from bot.demo.loopback.request_body import RequestBody
from bot.demo.loopback.threads import check_not_archived, check_sendable, check_thread_name
from bot.demo.loopback.values import Payload

_INSIDE_A_THREAD = re.compile(r"/channels/(\d+)/(?:messages/\d+/reactions/.+|thread-members/.+)")
_NEW_THREAD = re.compile(r"/channels/(\d+)/(?:messages/\d+/)?threads")
_WITH_VOICE = (ChannelType.VOICE, ChannelType.STAGE_VOICE)


def check_refusals(state: DiscordState, method: str, path: str, body: RequestBody) -> None:
    """Refuse what Discord would refuse the bot.

    Raises:
        BackendError: with Discord's code; among them 50013 and 50001 for permissions, 50007 for a closed DM, 50083 and
            160005 for a closed thread, 160002 for a reply without the history, 200000 for AutoMod, 50027 for an old
            interaction.
    """
    kind, key = kind_of(method, path)
    message = body.message()
    message = message if isinstance(message, dict) else {}
    if kind is CallKind.SEND:
        _check_send(state, int(key), message, has_files=bool(body.uploads))
    elif kind in (CallKind.EDIT, CallKind.DELETE):
        channel = state.require(state.bot.id, int(key), *(["attach_files"] if body.uploads else []))
        check_not_archived(channel)
        _check_words(state, channel, message)
    elif kind in (CallKind.CALLBACK, CallKind.WEBHOOK):
        channel = check_response(state, kind, key, method)
        if channel is not None:
            _check_words(state, channel, message)
    elif inside := _INSIDE_A_THREAD.fullmatch(path):
        check_not_archived(state.backend.get_channel(int(inside[1])))
    elif method == "POST" and (parent := _NEW_THREAD.fullmatch(path)):
        state.require(state.bot.id, int(parent[1]))
        check_thread_name(message.get("name"))
        if state.blocks(message["name"]):
            raise BackendError(400, 200001, "Title was blocked by automatic moderation")


def _check_send(state: DiscordState, channel_id: int, message: Payload, *, has_files: bool) -> None:
    channel = state.backend.get_channel(channel_id)
    if state.closed_dms.intersection(channel.recipient_ids):
        raise errors.cannot_dm_bot()
    if channel.type in _WITH_VOICE and not state.has_permission(state.bot.id, channel_id, "connect"):
        raise errors.missing_access()
    send = "send_messages_in_threads" if channel.is_thread else "send_messages"
    needed = [send, *(["attach_files"] if has_files else []), *(["embed_links"] if message.get("embeds") else [])]
    state.require(state.bot.id, channel_id, *needed)
    check_sendable(state, channel, state.bot.id)
    if _is_reply(message) and not state.has_permission(state.bot.id, channel_id, "read_message_history"):
        raise BackendError(400, 160002, "Cannot reply without permission to read message history")
    _check_words(state, channel, message)


def _check_words(state: DiscordState, channel: Any, message: Payload) -> None:
    if channel.guild_id is not None and state.blocks(str(message.get("content") or "")):
        raise blocked_by_automod()


def blocked_by_automod() -> BackendError:
    """Return the error for a message with a blocked word."""
    return BackendError(400, 200000, "Message was blocked by automatic moderation")


def _is_reply(message: Payload) -> bool:
    reference = message.get("message_reference")
    return isinstance(reference, dict) and reference.get("type", 0) == 0
