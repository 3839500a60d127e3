"""Points discord.py at a loopback Discord, without a change to the bot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import yarl
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

if TYPE_CHECKING:
    from bot.demo.loopback.server import LoopbackDiscord


@contextmanager
def connect_discord_py(server: LoopbackDiscord) -> Iterator[None]:
    """Make every discord.py client of this process talk to `server` inside the block, and to Discord after it.

    REST calls, interaction responses, followups and webhooks go to `server.api_url`, the gateway to
    `server.gateway_url`, and assets such as avatars come from the server too: nothing leaves the machine. The server
    must be running.
    """
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE
    Route.BASE = server.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
    Asset.BASE = server.cdn_url
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE = before
