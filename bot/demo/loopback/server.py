"""A whole Discord on 127.0.0.1: REST, gateway, and people to act as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from aiohttp import web

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.faults import Fault
from bot.demo.loopback.gateway import Gateway
from bot.demo.loopback.interaction_actions import InteractionActions
from bot.demo.loopback.message_actions import MessageActions
from bot.demo.loopback.observation import Observation
from bot.demo.loopback.rest import RestApi
from bot.demo.loopback.values import ApiCall, Channel, Person

_LARGEST_REQUEST = 32 * 1024 * 1024


class LoopbackDiscord(MessageActions, InteractionActions, Observation):
    """A Discord on 127.0.0.1 with one guild, "Phi's playground", three people and one bot.

    The bot talks to it over real HTTP and a real websocket, in real time. To act as a person, call `send`, `click`,
    `invoke` and the like; to see what a person sees, call `messages`, `typing`, `subscribe` and `wait_for`. Ada owns
    the guild and the application and has every permission; Grace and Linus are ordinary members.

    Use it as an asynchronous context manager, or await `start` and `close`. It belongs to the event loop that awaits
    `start`.

    Attributes:
        api_url: replaces `https://discord.com/api/v10`. `start` sets all three addresses.
        gateway_url: replaces `wss://gateway.discord.gg/`.
        cdn_url: replaces `https://cdn.discordapp.com`.
    """

    def __init__(self, *, granted_intents: Iterable[str] = ()) -> None:
        """Create the guild. Nothing is bound before `start`.

        Args:
            granted_intents: the privileged intents that the Developer Portal would grant: `members`, `presences`,
                `message_content`. The gateway closes a bot that asks for another one with 4014.
        """
        self._state = DiscordState(frozenset(granted_intents))
        self._gateway = Gateway(self._state)
        self._rest = RestApi(self._state)
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
        self.gateway_url = self._gateway.url = self._rest.gateway_url = f"ws://{address}/gateway/"
        self.cdn_url = self._state.cdn.base_url = f"http://{address}/cdn"

    async def close(self) -> None:
        """Close the gateway, end every subscription and stop serving. May be called twice."""
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
    def bot(self) -> Person:
        """The bot, "Phi". Its application has the same id."""
        return self._state.bot

    @property
    def bot_online(self) -> bool:
        """Whether the bot is connected to the gateway and got READY or RESUMED."""
        return self._gateway.online

    @property
    def guild_id(self) -> int:
        """The id of the one guild."""
        return self._state.guild_id

    @property
    def people(self) -> tuple[Person, ...]:
        """Ada, Grace and Linus, members of the guild."""
        return self._state.people

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The text channels `general`, `help` and `random`, open to everybody."""
        return self._state.channels

    @property
    def calls(self) -> Sequence[ApiCall]:
        """Every REST call so far, in the order of the responses."""
        return self._rest.calls

    def fail_next(
        self, method: str, path_glob: str, status: int, times: int = 1, retry_after: float | None = None
    ) -> None:
        """Answer the next matching REST calls with an error.

        Args:
            method: the HTTP method, or `*` for any.
            path_glob: a shell pattern for the path after `/api/v10`, such as `/channels/*/messages`. `*` matches
                slashes too.
            status: the HTTP status. 429 has the body of Discord's rate limit; 500 and above have no JSON, like the
                error of a proxy.
            times: how many calls fail.
            retry_after: for 429, in seconds; 1 if None.
        """
        self._rest.faults.append(Fault(method, path_glob, status, times, 1.0 if retry_after is None else retry_after))

    async def drop_gateway(self) -> None:
        """Cut every gateway connection without a close frame, like a broken network, and wait until they are gone.

        The session stays: a bot that resumes gets the events it missed.
        """
        await self._gateway.drop()

    async def invalidate_session(self) -> None:
        """Cut every gateway connection and drop its session.

        A resume fails, so the bot identifies again, and its `on_ready` fires a second time.
        """
        await self._gateway.drop(forget=True)

    def set_permissions(
        self, user_id: int, channel_id: int, *, allow: Sequence[str] = (), deny: Sequence[str] = ()
    ) -> None:
        """Allow or deny permissions of a person or the bot in a channel, by a member overwrite.

        Args:
            user_id: a person's id or the bot's.
            channel_id: a text channel. Threads have its permissions.
            allow: names of `discord.Permissions`, such as `manage_messages`.
            deny: names of `discord.Permissions`, such as `view_channel`.
        """
        self._state.set_permissions(user_id, channel_id, allow=allow, deny=deny)
