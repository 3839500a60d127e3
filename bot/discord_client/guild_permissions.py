"""What the bot lacks in the channels of a guild, by what the client has cached or by what REST returned."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import discord

from bot.discord_client.rest.permissions import channel_permissions_lacking

logger = logging.getLogger(__name__)

OpensThreads: TypeAlias = Callable[[Any], bool]
_WITH_MESSAGES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)
_MOST_LOGGED = 10


@dataclass(frozen=True, slots=True)
class Lack:
    """Channels in which the same permissions are missing.

    Attributes:
        permissions: by the names that Discord's own client shows.
        channels: in the guild's order.
    """

    permissions: tuple[str, ...]
    channels: Sequence[discord.abc.GuildChannel]


@dataclass(frozen=True, slots=True)
class GuildPermissions:
    """What the bot may do in a guild.

    Attributes:
        served: how many channels it sees.
        hidden: how many it does not see, which is usually meant.
        lacks: what is missing in those that it sees.
        is_timed_out: a moderator has put it in a timeout, so it can only read.
    """

    served: int
    hidden: int
    lacks: Sequence[Lack]
    is_timed_out: bool


def guild_permissions(
    channels: Iterable[discord.abc.GuildChannel], me: discord.Member, opens_threads: OpensThreads
) -> GuildPermissions:
    """Work out what the bot lacks in a guild.

    A channel that everybody can read and nobody but some can write in is not counted where the bot cannot write either:
    nobody asks there.

    Args:
        channels: all of the guild.
        me: the bot as a member.
        opens_threads: whether questions in a channel get threads of their own.
    """
    found: defaultdict[tuple[str, ...], list[discord.abc.GuildChannel]] = defaultdict(list)
    served = hidden = 0
    for channel in channels:
        if not isinstance(channel, _WITH_MESSAGES):
            continue
        may = channel.permissions_for(me)
        if not may.view_channel:
            hidden += 1
        elif not _is_read_only(channel, may):
            served += 1
            if lacking := channel_permissions_lacking(channel, may, opens_thread=opens_threads(channel)):
                found[tuple(lacking)].append(channel)
    if me.is_timed_out():  # it takes every other permission away
        return GuildPermissions(served, hidden, [], True)
    return GuildPermissions(served, hidden, [Lack(names, each) for names, each in found.items()], False)


def log_lacks(guilds: Iterable[discord.Guild], opens_threads: OpensThreads) -> None:
    """Log a line for each guild in which the bot lacks something, by what the client knows."""
    for guild in guilds:
        found = guild_permissions(guild.channels, guild.me, opens_threads)
        if found.is_timed_out:
            logger.warning("The bot is in a timeout, it cannot answer before that ends: guild=%d", guild.id)
        elif found.lacks:
            missing = dict.fromkeys(name for lack in found.lacks for name in lack.permissions)
            ids = [channel.id for lack in found.lacks for channel in lack.channels]
            logger.warning(
                "Permissions are missing, answers there are worse or refused; `python -m bot doctor` says which where: "
                "guild=%d missing=%s channels=%s%s",
                guild.id,
                ", ".join(missing),
                ",".join(map(str, ids[:_MOST_LOGGED])),
                f" and {len(ids) - _MOST_LOGGED} more" if len(ids) > _MOST_LOGGED else "",
            )


def _is_read_only(channel: Any, may: discord.Permissions) -> bool:
    everybody = channel.permissions_for(channel.guild.default_role)
    return not may.send_messages and everybody.view_channel and not everybody.send_messages
