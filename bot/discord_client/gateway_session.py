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
    while not client.is_closed():
        resume = True
        try:
            await _receive(client, options)
        except ReconnectWebSocket as request:
            cause, resume = "the connection was lost", request.resume
        except (discord.ConnectionClosed, aiohttp.ClientError, OSError) as error:
            if isinstance(error, discord.ConnectionClosed) and error.code != _NORMAL_CLOSE:
                raise
            refusal = refusal_of(error)
            cause = refusal.reason if refusal else str(error)
        client.dispatch("disconnect")
        earlier = options
        options = _next_options(client, earlier, resume=resume)
        if options.get("sequence") != earlier.get("sequence"):
            waits = pauses()  # the session brought events, so it is continued at once
            logger.info("Gateway interrupted: cause=%s", cause)
            continue
        seconds = next(waits)
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
    session = {"sequence": ws.sequence, "session": ws.session_id, "resume": resume}
    # Discord names the gateway at which a session can be resumed.
    return {"shard_id": client.shard_id, **session, **({"gateway": ws.gateway} if resume else {})}
