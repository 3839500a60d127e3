"""Every new connection to Discord starts a recovery."""

from __future__ import annotations

import discord
from discord.ext import commands

from bot.answering.recovery import Recovery


class ConnectionListener(commands.Cog):
    """Recovers at the first connection, and after every break that Discord does not bridge."""

    def __init__(self, recovery: Recovery[discord.Message]) -> None:
        self._recovery = recovery

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Recover what was accepted or missed before this connection."""
        await self._recovery.run()

    async def cog_unload(self) -> None:
        """Stop recovering."""
        self._recovery.close()
