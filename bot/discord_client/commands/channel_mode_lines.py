"""The lines that say how the bot is asked in a channel, and why a mode cannot be set."""

from __future__ import annotations

from typing import Any

from bot.conversation.channel_modes import ChannelMode

IN_DIRECT_MESSAGE = "In a direct message everything you write is a question. Use this command in a server's channel."
NO_CHANNEL = "Messages cannot be written there. Choose a channel, a forum or a thread."
NO_THREADS_HERE = "That channel has no threads. Choose `free` or `mention`."
NO_THREADS_IN_THREADS = "A thread has no threads. Choose `free` or `mention`, or set `threads` for its channel."
NOT_STORED = "The database cannot be written now, so a restart before it can undoes this."
SETTING_HELP = "Whoever runs me must set MESSAGE_CONTENT_INTENT=true and restart me."
PORTAL_HELP = (
    "Whoever runs me must switch Message Content Intent on at <https://discord.com/developers/applications> "
    "(Bot, Privileged Gateway Intents), set MESSAGE_CONTENT_INTENT=true and restart me."
)


def line_for_set(place: Any, mode: ChannelMode, prefix: str, *, is_forum: bool) -> str:
    """The line that says what holds from now on."""
    return f"From now on, {_meaning(place, mode, prefix, is_forum=is_forum)}."


def line_for_mode(place: Any, mode: ChannelMode, origin: str, prefix: str, *, is_forum: bool) -> str:
    """The line that says what holds in a channel, and where it was set."""
    meaning = _meaning(place, mode, prefix, is_forum=is_forum)
    return f"{meaning[0].upper()}{meaning[1:]}. {origin}"


def line_for_clear(place: Any, *, is_thread: bool, was_set: bool) -> str:
    """The line that says that a channel has no mode of its own now."""
    follows = "follows its channel" if is_thread else "is asked by mentions"
    return f"<#{place.id}> {follows} from now on." if was_set else f"<#{place.id}> had no mode; it {follows}."


def line_for_missing(permission: str, place: Any) -> str:
    """The line to a member who may not change a mode."""
    return f"You need the permission {permission} to change how I am asked in <#{place.id}>. `/channel show` shows it."


def line_for_blind(help_line: str) -> str:
    """The line that says why a mode is not set."""
    return f"Nothing changed: Discord does not show me messages that do not mention me. {help_line}"


def line_for_blind_mode(mode: ChannelMode, help_line: str) -> str:
    """The line that says why a mode is not in force."""
    return f"`{mode}` is set, but I only answer mentions: Discord does not show me other messages. {help_line}"


def line_for_silence(permission: str) -> str:
    """The line that says what every answer needs."""
    return f"Give me the permission {permission} there; until then I answer nothing."


def line_for_lack_of_threads(permission: str) -> str:
    """The line that says what threads need."""
    return f"Give me the permission {permission} there; until then I answer in the channel itself."


def origin_of(channel_id: int | None, place: Any) -> str:
    """The line that says where a mode was set; None if nowhere."""
    if channel_id is None:
        return "A moderator can change that with `/channel mode`."
    return (
        f"That is set for <#{channel_id}>."
        if channel_id == place.id
        else f"That is set for its channel, <#{channel_id}>."
    )


def _meaning(place: Any, mode: ChannelMode, prefix: str, *, is_forum: bool) -> str:
    sign = f" or begin with `{prefix}`" if prefix else ""
    if mode is ChannelMode.MENTION:
        return f"I answer messages in <#{place.id}> that mention me or reply to me"
    if is_forum:
        return f"I answer all messages in the posts of <#{place.id}> but those that mention others{sign}"
    if mode is ChannelMode.THREADS:
        return f"a mention in <#{place.id}> opens a thread with my answer, in which nobody needs to mention me"
    return f"I answer all messages in <#{place.id}> but those that mention others{sign}"
