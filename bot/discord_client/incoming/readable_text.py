"""Turns Discord's markup into what a member reads: names instead of ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import discord

from bot.conversation.graphemes import is_blank

# https://discord.com/developers/docs/reference#message-formatting
_MARKUP = re.compile(
    r"<@!?(?P<user>\d+)>(?P<space>[ \t]?)"
    r"|<@&(?P<role>\d+)>(?P<role_space>[ \t]?)"
    r"|<#(?P<channel>\d+)>"
    r"|<a?(?P<emoji>:\w+:)\d+>"
    r"|<(?P<command>/[^:<>]+):\d+>"
    r"|<t:(?P<time>-?\d{1,12})(?::[a-zA-Z])?>"
    r"|<id:(?P<page>customize|browse|guide|linked-roles)(?::\d+)?>"
)


_PAGES = {
    "customize": "Channels & Roles",
    "browse": "Browse Channels",
    "guide": "Server Guide",
    "linked-roles": "Linked Roles",
}


def readable_text(message: discord.Message, bot_user_id: int, text: str | None = None) -> str:
    """A text without the mention of the bot, with names for other mentions and custom emoji.

    Args:
        message: knows the names.
        bot_user_id: of the bot's own account.
        text: part of the message; None for its content.

    Returns:
        "" if nothing of it can be seen.
    """
    own_role = message.guild.self_role if message.guild else None

    def name(match: re.Match[str]) -> str:
        if match["user"]:
            if int(match["user"]) == bot_user_id:
                return ""
            return f"@{_user_name(message, int(match['user']))}{match['space']}"
        if match["role"]:
            if own_role is not None and int(match["role"]) == own_role.id:
                return ""
            return f"@{_role_name(message, int(match['role']))}{match['role_space']}"
        if match["channel"]:
            return f"#{_channel_name(message, int(match['channel']))}"
        if match["time"]:
            return _time(int(match["time"]))
        if match["page"]:
            return _PAGES[match["page"]]
        return match["emoji"] or match["command"]

    readable = _MARKUP.sub(name, message.content if text is None else text).strip()
    return "" if is_blank(readable) else readable


def _user_name(message: discord.Message, user_id: int) -> str:
    user = discord.utils.get(message.mentions, id=user_id) or (message.guild and message.guild.get_member(user_id))
    return user.display_name if user else "somebody"


def _role_name(message: discord.Message, role_id: int) -> str:
    role = message.guild and message.guild.get_role(role_id)
    return role.name if role else "a role"


def _channel_name(message: discord.Message, channel_id: int) -> str:
    channel = message.guild and message.guild.get_channel_or_thread(channel_id)
    return channel.name if channel else "a channel"


def _time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%d %B %Y %H:%M UTC")
    except (OverflowError, OSError, ValueError):
        return "an unknown time"
