"""Logs in and connects.

Both are tried again for as long as Discord or the network refuses for now; what the operator must change becomes an
error line with the way out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import discord

from bot.discord_client.client import INTENT_HELP, PhiClient
from bot.discord_client.gateway_session import keep_session
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.retry import until_accepted
from bot.errors import ConfigurationError

_CLOSED_FOR_GOOD = {
    4004: "DISCORD_TOKEN is no longer valid; make a new one at https://discord.com/developers/applications "
    "(Bot, Reset Token) and put it into .env",
    4011: "the bot is in more servers than one connection may serve; remove it from some",
    4012: "Discord no longer speaks the version of the gateway that this bot does; install a newer one",
    4013: "Discord does not know the intents of this bot; install a newer one",
    4014: INTENT_HELP,
}


async def log_in(client: PhiClient, token: str) -> None:
    """Log in, and wait until Discord can be reached.

    Raises:
        ConfigurationError: Discord refuses the token, or the message-content intent is not granted.
    """
    await until_accepted("Login to Discord", partial(log_in_once, client, token))


async def log_in_once(client: PhiClient, token: str) -> None:
    """Log in, by requests alone: a gateway session that another process has goes on.

    Raises:
        ConfigurationError: as `log_in`.
        Exception: Discord refuses it for now, or cannot be reached; see `refusal_of`.
    """
    try:
        await _try_to_log_in(client, token)
    except discord.LoginFailure:
        raise ConfigurationError(
            "DISCORD_TOKEN was refused by Discord; make a new one at https://discord.com/developers/applications "
            "(Bot, Reset Token) and put it into .env"
        ) from None
    except discord.HTTPException as error:
        refusal = refusal_of(error)
        assert refusal is not None  # of every HTTPException
        if refusal.is_passing:
            raise
        raise ConfigurationError(
            f"Discord refuses the login: {refusal.reason}; check the bot at https://discord.com/developers/applications"
        ) from None


async def _try_to_log_in(client: PhiClient, token: str) -> None:
    try:
        await client.login(token)
    except BaseException:
        # Every login opens an HTTP session of its own, but would reuse the connector that was closed with the last.
        await client.http.close()
        client.http.connector = discord.utils.MISSING
        raise


async def stay_connected(client: PhiClient, on_ready: Callable[[], None]) -> None:
    """Connect, and return only when the client is closed.

    Args:
        client: logged in.
        on_ready: called once, as soon as the client knows its servers.

    Raises:
        ConfigurationError: Discord closes the connection for a reason that the operator can fix.
    """

    async def report_ready() -> None:
        await client.wait_until_ready()
        on_ready()

    reporting = asyncio.create_task(report_ready())
    try:
        await keep_session(client)
    except discord.ConnectionClosed as error:
        reason = _CLOSED_FOR_GOOD.get(error.code, f"Discord closed the connection for good: code={error.code}")
        raise ConfigurationError(reason) from None
    finally:
        reporting.cancel()
