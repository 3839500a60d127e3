"""A whole Discord on 127.0.0.1: REST, gateway, and people to act as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

from aiohttp import web

from bot.demo.loopback.api_calls import ApiCall, CallKind, count_calls
from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.fault_actions import FaultActions
from bot.demo.loopback.gateway import Gateway
from bot.demo.loopback.guild_setup import GuildSetup
from bot.demo.loopback.installing import Installing
from bot.demo.loopback.interaction_actions import InteractionActions
from bot.demo.loopback.message_actions import MessageActions
from bot.demo.loopback.observation import Observation
from bot.demo.loopback.rate_limits import RateLimiter, RateLimits
from bot.demo.loopback.rest import RestApi
from bot.demo.loopback.thread_actions import ThreadActions
from bot.demo.loopback.unusual_messages import UnusualMessages
from bot.demo.loopback.values import Payload

_LARGEST_REQUEST = 32 * 1024 * 1024
_DISCORDS_LIMITS = RateLimits()


class LoopbackDiscord(
    GuildSetup,
    Installing,
    MessageActions,
    UnusualMessages,
    ThreadActions,
    InteractionActions,
    Observation,
    FaultActions,
):
    """A Discord on 127.0.0.1 with one guild, "Phi's playground", three people and one bot.

    The bot talks to it over real HTTP and a real websocket, in real time. To act as a person, call `send`, `click`,
    `invoke` and the like; to see what a person sees, call `messages`, `typing`, `subscribe` and `wait_for`. Ada owns
    the guild and the application and has every permission; Grace and Linus are ordinary members.

    Use it as an asynchronous context manager, or await `start` and `close`. It belongs to the event loop that awaits
    `start`.

    It limits the bot as Discord does, and refuses what Discord refuses; people are not limited.

    Attributes:
        api_url: replaces `https://discord.com/api/v10`. `start` sets all three addresses.
        gateway_url: replaces `wss://gateway.discord.gg/`.
        cdn_url: replaces `https://cdn.discordapp.com`.
    """

    def __init__(
        self,
        *,
        granted_intents: Iterable[str] = (),
        user_install: bool = True,
        limits: RateLimits = _DISCORDS_LIMITS,
        announce_limits: bool = False,
    ) -> None:
        """Create the guild. Nothing is bound before `start`.

        Args:
            granted_intents: the privileged intents that the Developer Portal would grant: `members`, `presences`,
                `message_content`. The gateway closes a bot that asks for another one with 4014.
            user_install: whether the portal allows people to install the application to their accounts, as it does
                for a new one.
            limits: how many requests the bot may make.
            announce_limits: whether responses carry Discord's `X-RateLimit` headers. With them, discord.py holds
                requests back before a limit is reached; without them, the bot's own pace must.
        """
        self._state = DiscordState(frozenset(granted_intents), user_install=user_install)
        self._gateway = Gateway(self._state)
        self._rest = RestApi(self._state, RateLimiter(limits, announces=announce_limits))
        self._runner: web.AppRunner | None = None
        self.api_url = ""
        self.gateway_url = ""
        self.cdn_url = ""

    async def start(self) -> None:
        """Start serving on a free port of 127.0.0.1."""
        application = web.Application(client_max_size=_LARGEST_REQUEST)
        self._rest.add_routes(application)
        self._gateway.add_routes(application)
        self._runner = web.AppRunner(application, shutdown_timeout=1.0, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        address = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.api_url = f"http://{address}/api/v10"
        self.gateway_url = self._gateway.url = self._rest.routes.gateway_url = f"ws://{address}/gateway/"
        self.cdn_url = self._state.cdn.base_url = f"http://{address}/cdn"

    async def close(self) -> None:
        """Close the gateway, end every subscription and stop serving. May be called twice."""
        self.end_faults()
        self.end_outage()
        await self._gateway.close()
        self._state.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def bot_token(self) -> str:
        """The only valid token. REST refuses any other with 401, the gateway with close code 4004."""
        return self._state.token

    @property
    def bot_online(self) -> bool:
        """Whether the bot is connected to the gateway and got READY or RESUMED."""
        return self._gateway.online

    @property
    def bot_presence(self) -> Payload | None:
        """The bot's presence as it sent it: `status` ("online", "idle", "dnd", "invisible"), `activities` and so on.

        A custom status is an activity of type 4 whose text is in `state`.
        """
        return self._gateway.presence

    @property
    def calls(self) -> Sequence[ApiCall]:
        """Every REST call so far, in the order of the responses."""
        return self._rest.calls

    @property
    def invalid_requests(self) -> int:
        """Responses of 401, 403 and 429 in the last 10 minutes. 10,000 are a ban by Cloudflare."""
        return self._rest.limiter.invalid_requests

    def call_counts(self) -> Counter[tuple[CallKind, int]]:
        """Count the REST calls so far by kind and status."""
        return count_calls(self._rest.calls)
