"""Asks Discord whose token it is, before the bot starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import discord

from bot.discord_client.client import grants_message_content
from bot.discord_client.rest.refusal import refusal_of

_SECONDS = 10.0  # discord.py itself tries for half a minute


@dataclass(frozen=True, slots=True)
class OwnApplication:
    """The application that a token belongs to.

    Attributes:
        application_id: for the invite link; of an old bot it is not the bot's own id.
        bot_name: as Discord shows it.
        may_read_messages: whether the portal grants the message-content intent.
    """

    application_id: int
    bot_name: str
    may_read_messages: bool


class TokenRefusedError(Exception):
    """Discord does not accept the token."""


async def own_application(token: str) -> OwnApplication:
    """Return the application that a token belongs to.

    Raises:
        TokenRefusedError: it is not valid, or not any more.
        ConnectionError: Discord cannot say now. The message is the reason.
    """
    try:
        async with (
            asyncio.timeout(_SECONDS),
            discord.Client(intents=discord.Intents.none()) as client,
        ):
            await client.login(token)
    except discord.LoginFailure:
        raise TokenRefusedError from None
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise ConnectionError(refusal.reason) from error
    assert client.application_id is not None  # set at the login
    may_read = grants_message_content(client.application_flags)
    return OwnApplication(client.application_id, str(client.user), may_read)
