"""A Discord on loopback, with people in it."""

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

    The bot talks to it over real HTTP and a real websocket, in real time; people are played by calling
    `send`, `click`, `invoke` and the like, and their eyes are `messages`, `typing`, `subscribe` and `wait_for`.
    Ada owns the guild and the application, so every permission is hers; Grace and Linus are ordinary members.

    Everything runs in the event loop that `start` is awaited in and must be used from there. Use it as an
    asynchronous context manager, or await `start` and `close`.

    Attributes:
        api_url: what replaces `https://discord.com/api/v10`; set by `start`, like the other two addresses.
        gateway_url: what replaces `wss://gateway.discord.gg/`.
        cdn_url: what replaces `https://cdn.discordapp.com`; attachments are downloaded from here.
    """

    def __init__(self, *, granted_intents: Iterable[str] = ()) -> None:
        """Prepare the guild; nothing is bound before `start`.

        Args:
            granted_intents: the privileged intents that the application's portal page grants, of `members`,
                `presences` and `message_content`. None is granted by default, as for a new application. A bot
                that asks for another one is closed with 4014.
        """
        self._state = DiscordState(frozenset(granted_intents))
        self._gateway = Gateway(self._state)
        self._rest = RestApi(self._state)
        self._runner: web.AppRunner | None = None
        self.api_url = ""
        self.gateway_url = ""
        self.cdn_url = ""

    # ------------------------------------------------------------------ life

    async def start(self) -> None:
        """Bind a free port of 127.0.0.1 and answer from now on."""
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
        """Close the gateway to every bot, end every subscription, stop answering. May be called twice."""
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

    # -------------------------------------------------------- what there is

    @property
    def bot_token(self) -> str:
        """The bot's token. REST refuses any other with 401, the gateway with close code 4004."""
        return self._state.token

    @property
    def bot(self) -> Person:
        """The bot, "Phi". Its application has the same id."""
        return self._state.bot

    @property
    def bot_online(self) -> bool:
        """Whether a bot has an open gateway connection with a session, that is, it got READY or RESUMED."""
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
        """The guild's text channels `general`, `help` and `random`. Everybody may read and write in them."""
        return self._state.channels

    @property
    def calls(self) -> Sequence[ApiCall]:
        """Every REST call that was answered so far, in the order of the answers."""
        return self._rest.calls

    # ------------------------------------------------------- making it hard

    def fail_next(
        self, method: str, path_glob: str, status: int, times: int = 1, retry_after: float | None = None
    ) -> None:
        """Answer the next matching REST calls with an error instead of doing what they ask.

        Args:
            method: the HTTP method, or `*` for any.
            path_glob: a shell pattern for the path after `/api/v10`, such as `/channels/*/messages`; `*` matches
                slashes too.
            status: the HTTP status. 429 is a rate limit as Discord sends it; 500 and above come without JSON, as
                from a broken proxy.
            times: how many calls fail before the next one works again.
            retry_after: for 429, how many seconds to wait; 1 if None.
        """
        self._rest.faults.append(Fault(method, path_glob, status, times, 1.0 if retry_after is None else retry_after))

    async def drop_gateway(self) -> None:
        """Cut every gateway connection without a word, as a lost network would. The session lives: a bot that
        resumes gets what it missed. Returns when the connections are gone."""
        await self._gateway.drop()

    async def invalidate_session(self) -> None:
        """Cut every gateway connection and forget its session, so that a resume fails and the bot must identify
        again (which fires `on_ready` a second time)."""
        await self._gateway.drop(forget=True)

    def set_permissions(
        self, user_id: int, channel_id: int, *, allow: Sequence[str] = (), deny: Sequence[str] = ()
    ) -> None:
        """Give a person or the bot permissions in a channel, or take them away, by a member overwrite.

        Args:
            user_id: whose permissions.
            channel_id: where. A thread has its parent's permissions.
            allow: names as in `discord.Permissions`, such as `manage_messages`.
            deny: likewise, such as `send_messages` or `view_channel`.
        """
        self._state.set_permissions(user_id, channel_id, allow=allow, deny=deny)
