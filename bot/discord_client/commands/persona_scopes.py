"""The scopes of personas: their names for members, and who may change them."""

from __future__ import annotations

from typing import Literal

import discord

from bot.discord_client.channel_scopes import guild_scope

Where = Literal["here", "server"]


def scope_name(scope: int | None, interaction: discord.Interaction) -> str:
    """Name a scope as the member of an interaction would; None is the bot's default."""
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
    """The scope that a member means; `refusal` has allowed it."""
    if where == "server":
        assert interaction.guild_id is not None  # `refusal` refuses "server" in a direct message
        return guild_scope(interaction.guild_id)
    assert interaction.channel_id is not None  # every slash command has a channel
    return interaction.channel_id


def refusal(interaction: discord.Interaction, where: Where) -> str | None:
    """Why a member may not change a persona, in a line for them; None if they may."""
    if interaction.guild_id is None:
        return "A direct message has no server. Leave `where` at `here`." if where == "server" else None
    permissions = interaction.permissions
    if where == "server" and interaction.client.get_guild(interaction.guild_id) is None:
        return "I am no member of this server. Leave `where` at `here`."
    if where == "server":
        return None if permissions.manage_guild else _missing("Manage Server", "this server")
    if isinstance(interaction.channel, discord.Thread):
        may = permissions.manage_threads or permissions.manage_channels
        return None if may else _missing("Manage Threads", "this thread")
    return None if permissions.manage_channels else _missing("Manage Channels", "this channel")


def _missing(permission: str, scope: str) -> str:
    return f"You need the permission {permission} to change the persona of {scope}. `/persona show` shows it."
