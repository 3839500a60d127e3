"""Every connection to Discord retries at once what waits for it, and a new one starts a recovery."""

from __future__ import annotations

import discord
from discord.ext import commands

from bot.answering.recovery import Recovery
from bot.discord_client.rest.pace import RequestPace


class ConnectionListener(commands.Cog):
    """Recovers at the first connection, and after every break that Discord does not bridge.

    Args:
        recovery: finishes what was accepted or missed.
        pace: retries what Discord has not taken yet.
    """

    def __init__(self, recovery: Recovery[discord.Message], pace: RequestPace) -> None:
        self._recovery = recovery
        self._pace = pace

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Deliver what waits, then recover what was accepted or missed before this connection."""
        self._pace.retry_now()
        await self._recovery.run()

    @commands.Cog.listener()
    async def on_resumed(self) -> None:
        """Deliver what waits."""
        self._pace.retry_now()

    async def cog_unload(self) -> None:
        """Stop recovering."""
        self._recovery.close()
