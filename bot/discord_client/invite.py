"""The link with which an operator adds the bot to a server."""

from __future__ import annotations

import discord

from bot.discord_client.rest.permissions import NEEDED_PERMISSIONS, permissions_named

_SCOPES = ("bot", "applications.commands")


def invite_link(application_id: int | str) -> str:
    """The address of Discord's page that asks for exactly the permissions that the bot needs."""
    return discord.utils.oauth_url(application_id, permissions=permissions_named(NEEDED_PERMISSIONS), scopes=_SCOPES)
