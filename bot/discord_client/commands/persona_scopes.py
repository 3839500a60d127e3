"""Where a persona may be set: what the place is called, and who may."""

from __future__ import annotations

from typing import Literal

import discord

from bot.discord_client.channel_scopes import guild_scope

Where = Literal["here", "server"]


def scope_name(scope: int | None, interaction: discord.Interaction) -> str:
    """A place as it is called where somebody uses a command.

    Args:
        place: the id of a thread, a channel or a server; None is where nothing was set.
        interaction: the use of the command.
    """
    if scope is None:
        return "the bot's default"
    if interaction.guild_id is not None and scope == guild_scope(interaction.guild_id):
        return "this server"
    if scope != interaction.channel_id:
        return "this thread's channel"
    if isinstance(interaction.channel, discord.Thread):
        return "this thread"
    return "this channel" if interaction.guild_id else "this conversation"


def chosen_scope(interaction: discord.Interaction, where: Where) -> int:
    """The id of the place that somebody means, who may change its persona."""
    if where == "server":
        assert interaction.guild_id is not None  # without a server, `refusal` refuses it
        return guild_scope(interaction.guild_id)
    assert interaction.channel_id is not None  # a slash command is used somewhere
    return interaction.channel_id


def refusal(interaction: discord.Interaction, where: Where) -> str | None:
    """Why somebody may not change the persona of a scope, as a line for them; None if they may."""
    if interaction.guild_id is None:
        return "A direct message has no server. Leave `where` at `here`." if where == "server" else None
    permissions = interaction.permissions
    if where == "server":
        return None if permissions.manage_guild else _needed("Manage Server", "this server")
    if isinstance(interaction.channel, discord.Thread):
        may = permissions.manage_threads or permissions.manage_channels
        return None if may else _needed("Manage Threads", "this thread")
    return None if permissions.manage_channels else _needed("Manage Channels", "this channel")


def _needed(permission: str, place: str) -> str:
    return f"You need the permission {permission} to change the persona of {place}. `/persona show` shows it."
