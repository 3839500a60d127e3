"""Keeps the client's gateway session through every disconnect.

discord.py 2.7.1's own loop (`Client.connect`) raises AttributeError if the first connection fails, logs a traceback
for each later failure, and lets its pauses grow to 17 minutes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import discord
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.retry import pauses

logger = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 60.0
_NORMAL_CLOSE = 1000


async def keep_session(client: discord.Client) -> None:
    """Receive events, and return only when the client is closed.

    Raises:
        discord.ConnectionClosed: Discord closed the session, and would close the next one too.
    """
    options: dict[str, Any] = {"initial": True, "shard_id": client.shard_id}
    waits = pauses()
    while True:
        resume, cause, retry_after = True, "the connection was lost", 0.0
        try:
            await _receive(client, options)
        except ReconnectWebSocket as request:
            resume = request.resume
        except discord.ConnectionClosed as error:
            if error.code != _NORMAL_CLOSE:
                raise
        except (aiohttp.ClientError, OSError) as error:
            if (refusal := refusal_of(error)) is not None:
                cause, retry_after = refusal.reason, refusal.retry_after or 0.0
        client.dispatch("disconnect")
        if client.is_closed():
            return
        earlier = options
        options = _next_options(client, earlier, resume=resume)
        if options.get("sequence") != earlier.get("sequence"):
            waits = pauses()  # the session brought events, so it is continued at once
            logger.info("Gateway interrupted: cause=%s", cause)
            continue
        seconds = max(next(waits), retry_after)
        logger.warning("Gateway cannot be reached: next_try_in=%.0fs cause=%s", seconds, cause)
        await asyncio.sleep(seconds)


async def _receive(client: discord.Client, options: dict[str, Any]) -> None:
    """Open a session, or resume one, and receive its events until an error ends it."""
    async with asyncio.timeout(_HANDSHAKE_SECONDS):
        client.ws = await DiscordWebSocket.from_client(client, **options)
    while True:
        await client.ws.poll_event()


def _next_options(client: discord.Client, options: dict[str, Any], *, resume: bool) -> dict[str, Any]:
    """How the next connection begins: as the last one did, until a connection has opened a session."""
    ws = client.ws
    if ws is None:
        return options
    session = {"shard_id": client.shard_id, "sequence": ws.sequence}
    if not resume or ws.session_id is None:
        return session
    # Discord names the gateway at which a session can be resumed.
    return {**session, "session": ws.session_id, "resume": True, "gateway": ws.gateway}
