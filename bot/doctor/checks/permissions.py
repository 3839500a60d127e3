"""The bot's permissions in every channel of every server, by requests alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot.discord_client.guild_permissions import GuildPermissions, Lack, OpensThreads, guild_permissions
from bot.discord_client.rest.refusal import refusal_of
from bot.doctor.check import Finding, Findings, Result
from bot.doctor.checks.account import Account

NAME = "permissions"
_MOST_SERVERS = 20  # with a line each
_MOST_CHANNELS = 3  # named in a line
_WAY_OUT = (
    "give the bot's role what is missing there (channel settings, Permissions), or open the invite link again to give "
    "it in the whole server"
)


@dataclass(frozen=True, slots=True)
class _Server:
    name: str
    found: GuildPermissions


async def check_permissions(account: Account, opens_threads: OpensThreads, *, seconds: float) -> Findings:
    """Report what is missing where, with one line for all channels of a server that lack the same.

    Args:
        seconds: how long to ask; what is known then is reported.
    """
    try:
        guilds = [guild async for guild in account.client.fetch_guilds(limit=None, with_counts=False)]
    except Exception as error:  # noqa: BLE001 - raised again if it is a bug
        return [_refused("the list of servers", error)]
    if not guilds:
        return [Finding(NAME, Result.WARNING, "the bot is in no server yet", "invite it with the link above")]
    servers: list[_Server] = []
    refusals: list[Finding] = []
    try:
        async with asyncio.timeout(seconds):
            for guild in guilds:
                try:
                    servers.append(await _examine(account, guild.id, opens_threads))
                except Exception as error:  # noqa: BLE001 - raised again if it is a bug
                    refusals.append(_refused(guild.name, error))
    except TimeoutError:
        pass  # the summary says how far it came
    problems = [finding for server in servers for finding in _findings(server)]
    left_out = len(problems) - _MOST_SERVERS
    if left_out > 0:
        line = f"{left_out} more findings about servers"
        problems[_MOST_SERVERS:] = [Finding(NAME, Result.WARNING, line, "correct those above, and run this again")]
    return [_summary(servers, len(guilds)), *refusals[:_MOST_SERVERS], *problems]


async def _examine(account: Account, guild_id: int, opens_threads: OpensThreads) -> _Server:
    user = account.client.user
    assert user is not None  # the login sets it
    guild = await account.client.fetch_guild(guild_id, with_counts=False)
    channels, me = await guild.fetch_channels(), await guild.fetch_member(user.id)
    return _Server(guild.name, guild_permissions(channels, me, opens_threads))


def _findings(server: _Server) -> Findings:
    found = server.found
    if found.is_timed_out:
        line = f"{server.name}: a moderator has put the bot in a timeout, so it cannot answer"
        return [Finding(NAME, Result.WARNING, line, "end the timeout in the server's member list")]
    if not found.served:
        line = f"{server.name}: the bot sees no channel in which members can write"
        return [Finding(NAME, Result.WARNING, line, "give its role View Channel, or open the invite link again")]
    return [Finding(NAME, Result.WARNING, f"{server.name}: {_lack(each)}", _WAY_OUT) for each in found.lacks]


def _lack(lack: Lack) -> str:
    return f"no {' and no '.join(lack.permissions)} in {_named([channel.name for channel in lack.channels])}"


def _named(channels: Sequence[str]) -> str:
    shown = ", ".join(f"#{name}" for name in channels[:_MOST_CHANNELS])
    left = len(channels) - _MOST_CHANNELS
    return f"{shown} and {left} more" if left > 0 else shown


def _refused(what: str, error: Exception) -> Finding:
    """The finding for what Discord did not tell; raises the error if it is a bug."""
    refusal = refusal_of(error)
    if refusal is None:
        raise error
    return Finding(NAME, Result.WARNING, f"{what}: not checked, {refusal.reason}", "run this again")


def _summary(servers: Sequence[_Server], guilds: int) -> Finding:
    served, hidden = (sum(getattr(each.found, name) for each in servers) for name in ("served", "hidden"))
    checked = f"{len(servers)} of {guilds}" if len(servers) < guilds else str(guilds)
    line = f"servers: {checked}, channels in use: {served}, hidden from the bot: {hidden}"
    if len(servers) < guilds:
        return Finding(NAME, Result.WARNING, line, "run this again for the others")
    return Finding(NAME, Result.OK, line)
