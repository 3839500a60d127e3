"""A Discord on 127.0.0.1 that an unmodified discord.py bot talks to over real HTTP and a real gateway.

Start a `LoopbackDiscord`, point discord.py at it with `connect_discord_py`, and run the bot with the server's
`bot_token`. Then act as one of its people: send, click, invoke, and see what they would see.
"""

from bot.demo.loopback.discord_py import connect_discord_py
from bot.demo.loopback.events import Event, EventKind, Subscription
from bot.demo.loopback.server import LoopbackDiscord
from bot.demo.loopback.values import ApiCall, Channel, LoopbackError, Person

__all__ = [
    "ApiCall",
    "Channel",
    "Event",
    "EventKind",
    "LoopbackDiscord",
    "LoopbackError",
    "Person",
    "Subscription",
    "connect_discord_py",
]
