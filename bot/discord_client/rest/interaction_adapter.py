"""Sends responses to interactions, and sends again what the network lost.

discord.py's adapter repeats a request after a 5xx and after a 429 with `Via`, but on Linux not after a reset.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import discord
from discord.http import Route
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.retry import pauses
from bot.discord_client.rest.time_limit import request_time_limit

ACKNOWLEDGED = 40060
_GONE = {
    10008,  # unknown message
    10015,  # unknown webhook
    10062,  # unknown interaction
    ACKNOWLEDGED,
    50027,  # the token has expired
}
_CALLBACK_SECONDS = 3.0  # https://discord.com/developers/docs/interactions/receiving-and-responding
_CALLBACK_PAUSE_SECONDS = 0.2
_DISCORD_PY_PAUSE_SECONDS = 1.0  # before its second try
_LONGEST_SECONDS = 120.0  # the member waits, though the token would last 15 minutes


class InteractionAdapter(AsyncWebhookAdapter):
    """discord.py's adapter, which also repeats requests that the network lost."""

    async def request(self, route: Route, session: aiohttp.ClientSession, **options: Any) -> Any:
        """Send a request until Discord answers it: a first response for 3 s, others for two minutes."""
        is_first_response = route.path.endswith("/callback")
        began = time.monotonic()
        deadline = began + (_CALLBACK_SECONDS if is_first_response else _LONGEST_SECONDS)
        waits = pauses()
        is_repeated = False
        while True:
            in_time = asyncio.timeout(deadline - time.monotonic()) if is_first_response else request_time_limit()
            try:
                async with in_time:
                    return await super().request(route, session, **options)
            except Exception as error:
                is_repeated = is_repeated or time.monotonic() - began >= _DISCORD_PY_PAUSE_SECONDS
                if is_first_response and is_repeated and getattr(error, "code", 0) == ACKNOWLEDGED:
                    return {"interaction": {"id": route.webhook_id}}  # only the answer to the first try was lost
                refusal = refusal_of(error)
                if refusal is None or not refusal.is_passing or is_gone(error):
                    raise
                pause = _CALLBACK_PAUSE_SECONDS if is_first_response else next(waits)
                seconds = max(pause, refusal.retry_after or 0.0)
                if time.monotonic() + seconds >= deadline:
                    raise
            await asyncio.sleep(seconds)
            is_repeated = True
            for file in options.get("files") or []:
                file.reset()


def is_gone(error: Exception) -> bool:
    """Whether the interaction, or the message that it concerns, takes no response any more."""
    return isinstance(error, discord.HTTPException) and error.code in _GONE


def use_interaction_adapter() -> None:
    """Make discord.py use the adapter in the calling task, and in those that it creates from now on."""
    async_context.set(InteractionAdapter())  # type: ignore[no-untyped-call]  # its base class
