"""Points discord.py at a loopback Discord."""

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
    """Make every discord.py client of this process talk to `server`, and to Discord again afterwards.

    REST calls (interaction responses, followups and webhooks included) go to `server.api_url`, the gateway to
    `server.gateway_url`, and avatars and other assets are looked up on the server as well, so nothing leaves the
    machine. The server must be started. Nothing else of discord.py is changed.
    """
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE
    Route.BASE = server.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
    Asset.BASE = server.cdn_url
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY, Asset.BASE = before
