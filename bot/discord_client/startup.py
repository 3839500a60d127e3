"""Logs in and connects; a refusal of Discord becomes an error line with the way out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import discord

from bot.discord_client.client import INTENT_HELP, PhiClient
from bot.errors import ConfigurationError


async def log_in(client: PhiClient, token: str) -> None:
    """Log in, and set the client up.

    Raises:
        ConfigurationError: Discord refuses the token, or the set-up fails.
        ConnectionError: Discord cannot be reached.
    """
    try:
        await client.login(token)
    except discord.LoginFailure:
        raise ConfigurationError(
            "DISCORD_TOKEN was refused by Discord; make a new one at https://discord.com/developers/applications "
            "(Bot, Reset Token) and put it into .env"
        ) from None
    except aiohttp.ClientConnectionError as error:
        raise ConnectionError(f"Discord cannot be reached ({error}); check the network and start again") from error


async def stay_connected(client: PhiClient, on_ready: Callable[[], None]) -> None:
    """Connect, and return only when the client is closed.

    Args:
        client: logged in.
        on_ready: called once, as soon as the client knows its servers.

    Raises:
        ConfigurationError: Discord refuses the message-content intent.
    """

    async def report_ready() -> None:
        await client.wait_until_ready()
        on_ready()

    reporting = asyncio.create_task(report_ready())
    try:
        await client.connect()
    except discord.PrivilegedIntentsRequired:
        raise ConfigurationError(INTENT_HELP) from None
    finally:
        reporting.cancel()
