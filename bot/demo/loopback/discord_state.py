"""The state of the loopback Discord: one guild with its people, channels and bot, and the events about it."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import discord
from simcord.backend import serializers
from simcord.backend.errors import BackendError, SetupError
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType
from simcord.intents import PRIVILEGED_INTENTS

from bot.demo.loopback.backend import LoopbackBackend
from bot.demo.loopback.cdn import Cdn
from bot.demo.loopback.events import Event, EventHub, EventKind
from bot.demo.loopback.installations import Installations
from bot.demo.loopback.interaction_state import InteractionState
from bot.demo.loopback.typing_state import TypingState
from bot.demo.loopback.values import Channel, LoopbackError, Payload, Person, Server

_PEOPLE = (("Ada", "#e06c9f"), ("Grace", "#4fb3bf"), ("Linus", "#e5a13a"))
_COLORS_OF_OTHERS = ("#8fbf5a", "#b58fe0", "#d98f5f", "#5fa8d9", "#d9c05f", "#5fd9b0")
_SERVER = "Phi's playground"
_CHANNELS = ("general", "help", "random")


@contextmanager
def as_loopback_errors() -> Iterator[None]:
    """Turn simcord's errors into a `LoopbackError` of one line."""
    try:
        yield
    except BackendError as error:
        raise LoopbackError(f"Discord refuses: {error.message} (error {error.code})") from error
    except SetupError as error:
        raise LoopbackError(str(error)) from error


class DiscordState:
    """The state that REST, the gateway and people's actions share.

    Attributes:
        backend: simcord's model. Its subscribers receive every change as a gateway event.
        hub: publishes events for people and tests.
        installations: where the application is installed.
        granted_intents: the privileged intents that the application may ask for.
        people: the members of the guild but the bot; the first one owns it.
        servers: every guild; the first one is the bot's own.
        closed_dms: the ids of those who take no DM from the bot.
        blocked_words: what AutoMod blocks in the guild.
    """

    def __init__(self, granted_intents: frozenset[str], *, user_install: bool = True) -> None:
        self.granted_intents: frozenset[str] = frozenset()
        for name in granted_intents:
            self.set_intent(name, is_granted=True)
        self.hub = EventHub()
        self.typing = TypingState(self.hub)
        self.interactions = InteractionState(self.hub)
        self.cdn = Cdn()
        self.backend = LoopbackBackend(self.cdn, self._publish_message, self._publish_channel)
        self.installations = Installations(self.backend, allows_users=user_install)
        self.bot = self._create_bot()
        self.token = _token(self.bot.id)
        self.people = [self._create_person(name, color) for name, color in _PEOPLE]
        self.servers: list[Server] = []
        server = self.add_server(_SERVER, with_bot=True, channels=_CHANNELS)
        self.guild_id = server.id
        self.channels = list(server.channels)
        self.closed_dms: set[int] = set()
        self.blocked_words: list[str] = []
        self.backend.subscribers.append(self._publish)

    def require(self, user_id: int, channel_id: int, *permissions: str) -> Any:
        """Return a channel that a user can see and has permissions in.

        Raises:
            simcord.backend.errors.BackendError: it is unknown, hidden from the user, or a permission is missing.
        """
        channel = self.backend.get_channel(channel_id)
        self.backend.require_permissions(channel.guild_id, user_id, channel_id, *permissions)
        return channel

    def visible_message(self, user_id: int, channel_id: int, message_id: int) -> Any:
        """Return a stored message that a user can see, or raise like `require`."""
        self.require(user_id, channel_id, "view_channel", "read_message_history")
        message = self.backend.get_message(channel_id, message_id)
        if not message.visible_to(user_id):
            raise LoopbackError(f"Discord refuses: message {message_id} is somebody else's ephemeral message")
        return message

    def set_permissions(self, user_id: int, channel_id: int, *, allow: Sequence[str], deny: Sequence[str]) -> None:
        """Add a member overwrite to a channel; see `LoopbackDiscord.set_permissions`."""
        with as_loopback_errors():
            self.backend.set_overwrite(
                channel_id,
                Overwrite(user_id, OverwriteType.MEMBER, allow=_permission_bits(allow), deny=_permission_bits(deny)),
            )

    def has_permission(self, user_id: int, channel_id: int, permission: str) -> bool:
        """Whether a user has a permission in a channel. In a DM, everybody has every one."""
        guild_id = self.backend.get_channel(channel_id).guild_id
        if guild_id is None:
            return True
        return bool(self.backend.compute_permissions(guild_id, user_id, channel_id) & _permission_bits([permission]))

    def permissions_of(self, user_id: int, channel_id: int) -> list[str]:
        """List the names of a user's permissions in a guild's channel, sorted."""
        guild_id = self.backend.get_channel(channel_id).guild_id
        if guild_id is None:
            raise LoopbackError("a DM has no permissions")
        permissions = discord.Permissions(self.backend.compute_permissions(guild_id, user_id, channel_id))
        # Iterating over them leaves out the second names, such as view_channel for read_messages.
        return sorted(name for name in discord.Permissions.VALID_FLAGS if getattr(permissions, name))

    def set_intent(self, name: str, *, is_granted: bool) -> None:
        """Grant or withhold a privileged intent."""
        if name not in PRIVILEGED_INTENTS:
            raise LoopbackError(f"{name}: not a privileged intent; choose from {', '.join(PRIVILEGED_INTENTS)}")
        self.granted_intents = self.granted_intents | {name} if is_granted else self.granted_intents - {name}

    def blocks(self, text: str) -> bool:
        """Whether AutoMod blocks a text."""
        return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in self.blocked_words)

    def add_person(self, name: str) -> Person:
        """Add a member to the guild."""
        person = self._create_person(name, _COLORS_OF_OTHERS[len(self.people) % len(_COLORS_OF_OTHERS)])
        self.backend.add_member(self.guild_id, person.id, announce=True)
        self.people.append(person)
        return person

    def add_server(self, name: str, *, with_bot: bool, channels: Sequence[str]) -> Server:
        """Add a guild with everybody in it; see `LoopbackDiscord.add_server`."""
        guild = self.backend.create_server(name, self.people[0].id)
        for person in self.people[1:]:
            self.backend.add_member(guild.id, person.id)
        made = tuple(Channel(self.backend.create_channel(guild.id, channel).id, channel) for channel in channels)
        if with_bot:
            self.backend.add_bot(guild.id)
        server = Server(guild.id, name, made)
        self.servers.append(server)
        return server

    def add_channel(self, name: str, kind: discord.ChannelType = discord.ChannelType.text) -> Channel:
        """Add a channel to the guild."""
        channel = Channel(self.backend.create_channel(self.guild_id, name, type=kind.value).id, name)
        self.channels.append(channel)
        return channel

    def publish_channels(self) -> None:
        """Publish that the channels which people and the bot can see may have changed."""
        self.hub.publish(Event(EventKind.CHANNEL, None, None, {}))

    def message_payload(self, message: Any) -> Payload:
        """Return a stored message in wire format."""
        return dict(serializers.message_payload(self.backend, message))

    def close(self) -> None:
        """Stop every timer and end every subscription."""
        self.typing.close()
        self.interactions.close()
        self.hub.close()

    def _create_bot(self) -> Person:
        user = self.backend.bot_user
        user.name = "Phi"
        self.backend.application_id = user.id
        return Person(user.id, user.name, "#5865f2")

    def _create_person(self, name: str, color: str) -> Person:
        return Person(self.backend.make_user(name.lower(), global_name=name).id, name, color)

    def _publish(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "TYPING_START":
            self.typing.start(int(payload["channel_id"]), int(payload["user_id"]))
        elif event == "MESSAGE_CREATE":
            self.typing.stop(int(payload["channel_id"]), int(payload["author"]["id"]))
            self._publish_change(EventKind.MESSAGE, payload, payload["id"])
        elif event == "MESSAGE_UPDATE":
            self._publish_change(EventKind.MESSAGE_EDIT, payload, payload["id"])
        elif event.startswith("MESSAGE_REACTION_"):
            self._publish_change(EventKind.MESSAGE_EDIT, payload, payload["message_id"])
        elif event in ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
            for message_id in payload.get("ids") or [payload["id"]]:
                data = {"id": str(message_id)}
                self.hub.publish(Event(EventKind.MESSAGE_DELETE, int(payload["channel_id"]), None, data))
        elif event.startswith(("CHANNEL_", "THREAD_")) and "id" in payload:
            self.hub.publish(Event(EventKind.CHANNEL, int(payload["id"]), None, dict(payload)))

    def _publish_change(self, kind: EventKind, payload: Mapping[str, Any], message_id: str) -> None:
        message = self.backend.get_message(int(payload["channel_id"]), int(message_id))
        self._publish_message(kind, message)

    def _publish_message(self, kind: EventKind, message: Any) -> None:
        person_id = int(message.interaction_metadata["user"]["id"]) if message.is_ephemeral else None
        data = {"id": str(message.id)} if kind is EventKind.MESSAGE_DELETE else self.message_payload(message)
        self.hub.publish(Event(kind, message.channel_id, person_id, data))

    def _publish_channel(self, channel: Any) -> None:
        payload = dict(serializers.channel_payload(self.backend, channel))
        self.hub.publish(Event(EventKind.CHANNEL, channel.id, None, payload))


def _permission_bits(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in discord.Permissions.VALID_FLAGS]
    if unknown:
        raise LoopbackError(f"{', '.join(unknown)}: not a permission of discord.Permissions")
    return discord.Permissions(**dict.fromkeys(names, True)).value


def _token(bot_id: int) -> str:
    """Make a token of Discord's form: the bot's id in base64, a timestamp and a secret, joined by dots."""
    identity = base64.urlsafe_b64encode(str(bot_id).encode()).decode().rstrip("=")
    return f"{identity}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"
