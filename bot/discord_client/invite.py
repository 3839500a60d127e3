"""The link with which an operator adds the bot to a server."""

from __future__ import annotations

import logging

import discord

from bot.discord_client.rest.permissions import NEEDED_PERMISSIONS, permissions_named

logger = logging.getLogger(__name__)

_SCOPES = ("bot", "applications.commands")


def invite_link(application_id: int | str) -> str:
    """The address of Discord's page that asks for exactly the permissions that the bot needs."""
    return discord.utils.oauth_url(application_id, permissions=permissions_named(NEEDED_PERMISSIONS), scopes=_SCOPES)


def log_invite_link(client: discord.Client) -> None:
    """Log how to add the bot to a server, as a warning while it is in none.

    Args:
        client: ready, so that it knows its servers.
    """
    assert client.application_id is not None  # set at the login
    link = invite_link(client.application_id)
    if client.guilds:
        logger.info("Invite link: url=%s", link)
    else:
        logger.warning("The bot is in no server yet; open the link to add it to one: url=%s", link)
