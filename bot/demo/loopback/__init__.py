"""A Discord on 127.0.0.1 that an unmodified discord.py bot talks to over real HTTP and a real gateway.

Start a `LoopbackDiscord`, point discord.py at it with `connect_discord_py`, and run the bot with the server's
`bot_token`. Then act as one of its people: send, click, invoke, and see what they would see.
"""

from bot.demo.loopback.api_calls import ApiCall, CallKind, Limit, that_may_ping_many, without_allowed_mentions
from bot.demo.loopback.discord_py import connect_discord_py
from bot.demo.loopback.events import Event, EventKind, Subscription
from bot.demo.loopback.faults.connections import ConnectionFault
from bot.demo.loopback.faults.rest_faults import Outage
from bot.demo.loopback.rate_limits import UNLIMITED, RateLimits
from bot.demo.loopback.server import LoopbackDiscord
from bot.demo.loopback.values import Channel, LoopbackError, Person, Server

__all__ = [
    "UNLIMITED",
    "ApiCall",
    "CallKind",
    "Channel",
    "ConnectionFault",
    "Event",
    "EventKind",
    "Limit",
    "LoopbackDiscord",
    "LoopbackError",
    "Outage",
    "Person",
    "RateLimits",
    "Server",
    "Subscription",
    "connect_discord_py",
    "that_may_ping_many",
    "without_allowed_mentions",
]
