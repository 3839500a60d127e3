"""Which permission the bot lacks in a channel, by the name that Discord's own client shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import discord

from bot.discord_client.rest.refusal import Refusal
from bot.discord_client.rest.urgency import Action

ATTACH_FILES = "Attach Files"
READ_MESSAGE_HISTORY = "Read Message History"
CREATE_PUBLIC_THREADS = "Create Public Threads"
SEND_MESSAGES_IN_THREADS = "Send Messages in Threads"
_SEND_MESSAGES = "Send Messages"
_VIEW_CHANNEL = "View Channel"
NEEDED_PERMISSIONS = (
    _VIEW_CHANNEL,
    _SEND_MESSAGES,
    SEND_MESSAGES_IN_THREADS,
    CREATE_PUBLIC_THREADS,  # the mode `threads`
    ATTACH_FILES,
    READ_MESSAGE_HISTORY,
)
"""What the bot's requests need in a server. Its invite asks for these and nothing else.

Renaming and reopening the threads that it opened needs no more. *Connect*, which the chat of a voice channel needs,
everybody has by default.
"""
_NAMES = {
    "view_channel": _VIEW_CHANNEL,
    "connect": "Connect",
    "send_messages": _SEND_MESSAGES,
    "send_messages_in_threads": SEND_MESSAGES_IN_THREADS,
    "create_public_threads": CREATE_PUBLIC_THREADS,
    "read_message_history": READ_MESSAGE_HISTORY,
    "attach_files": ATTACH_FILES,
}
_FLAGS = {name: flag for flag, name in _NAMES.items()}
_WITH_VOICE = (discord.VoiceChannel, discord.StageChannel)


def permissions_named(names: Iterable[str]) -> discord.Permissions:
    """The permissions with these names."""
    return discord.Permissions(**{_FLAGS[name]: True for name in names})


def is_allowed(channel: Any, permission: str) -> bool:
    """Whether the bot has a permission in a channel, as far as the client knows."""
    permissions = _permissions(channel)
    return permissions is None or bool(getattr(permissions, _FLAGS[permission]))


def may_send(channel: Any) -> bool:
    """Whether the bot may write in a channel, as far as the client knows."""
    return not is_timed_out(channel) and all(
        is_allowed(channel, _NAMES[flag]) for flag in _needed(channel, Action.SEND)
    )


def is_timed_out(channel: Any) -> bool:
    """Whether a moderator has put the bot in a timeout on the channel's server."""
    me = _own_member(channel)
    return me is not None and me.is_timed_out()


def lacking_permission(channel: Any, action: Action, refusal: Refusal) -> str | None:
    """The permission whose lack explains a refused request; None if another reason does."""
    if not refusal.of_permission and not refusal.of_access:
        return None
    needed = _needed(channel, action)
    missing = [_NAMES[flag] for flag in needed if not is_allowed(channel, _NAMES[flag])]
    if missing:
        return missing[0]
    # The client may not know of a change yet, so what is left is what such a request needs.
    return _VIEW_CHANNEL if refusal.of_access else _NAMES[needed[-1]]


def send_permission(channel: Any) -> str:
    """The permission that a message in a channel needs."""
    return SEND_MESSAGES_IN_THREADS if isinstance(channel, discord.Thread) else _SEND_MESSAGES


def answer_permissions_lacking(channel: Any) -> list[str]:
    """What the bot lacks for reading messages in a channel, or in a forum's posts, and answering them there."""
    needed = [_NAMES[flag] for flag in _needed(channel, Action.SEND)]
    if isinstance(channel, discord.ForumChannel):
        needed = [_VIEW_CHANNEL, SEND_MESSAGES_IN_THREADS]
    return [permission for permission in needed if not is_allowed(channel, permission)]


def thread_permissions_lacking(channel: Any) -> list[str]:
    """What the bot lacks for opening threads from a channel's messages, or for answering in a forum's posts."""
    needed = [SEND_MESSAGES_IN_THREADS]
    if not isinstance(channel, discord.ForumChannel):
        needed = [CREATE_PUBLIC_THREADS, *needed, READ_MESSAGE_HISTORY]
    return [permission for permission in needed if not is_allowed(channel, permission)]


def channel_permissions_lacking(channel: Any, may: discord.Permissions, *, opens_thread: bool) -> list[str]:
    """What the bot lacks in a channel for answering there in every way.

    Args:
        may: what it may do there. Without *Send Messages* it has no *Attach Files* either, which is not listed then.
        opens_thread: whether questions get threads of their own.
    """
    needed = ["Connect"] if isinstance(channel, _WITH_VOICE) else [SEND_MESSAGES_IN_THREADS]
    if not isinstance(channel, discord.ForumChannel):
        needed = [_SEND_MESSAGES, *needed]
    if opens_thread:
        needed.append(CREATE_PUBLIC_THREADS)
    needed += [ATTACH_FILES, READ_MESSAGE_HISTORY]
    lacking = [name for name in needed if not getattr(may, _FLAGS[name])]
    if not may.send_messages and ATTACH_FILES in lacking:
        lacking.remove(ATTACH_FILES)
    return lacking


def _needed(channel: Any, action: Action) -> Sequence[str]:
    flags = ["view_channel"]
    if isinstance(channel, _WITH_VOICE):
        flags.append("connect")
    if action in (Action.SEND, Action.TYPING):
        flags.append(_FLAGS[send_permission(channel)])
    elif action is Action.READ:
        flags.append("read_message_history")
    return flags


def _permissions(channel: Any) -> discord.Permissions | None:
    """What the bot may do in a channel; None where the client does not know."""
    me = _own_member(channel)
    if me is None or isinstance(channel, discord.PartialMessageable):
        return None
    try:
        permissions: discord.Permissions = channel.permissions_for(me)
    except discord.ClientException:  # a thread whose channel is not known
        return None
    return permissions


def _own_member(channel: Any) -> discord.Member | None:
    guild: discord.Guild | None = getattr(channel, "guild", None)
    return guild.me if guild is not None else None
