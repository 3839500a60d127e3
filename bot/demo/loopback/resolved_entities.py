"""The `resolved` part of an interaction: the users, roles, channels, messages and files that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simcord.backend import serializers
from simcord.enums import ComponentType, OptionType

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.values import LoopbackError, Payload

_KINDS: Mapping[int, tuple[str, ...]] = {
    OptionType.USER: ("user",),
    OptionType.ROLE: ("role",),
    OptionType.CHANNEL: ("channel",),
    OptionType.MENTIONABLE: ("user", "role"),
}
_MENU_KINDS: Mapping[int, tuple[str, ...]] = {
    ComponentType.USER_SELECT: ("user",),
    ComponentType.ROLE_SELECT: ("role",),
    ComponentType.CHANNEL_SELECT: ("channel",),
    ComponentType.MENTIONABLE_SELECT: ("user", "role"),
}


class ResolvedEntities:
    """Collects the entities of one interaction and refuses those that its person cannot choose."""

    def __init__(self, state: DiscordState, person_id: int, channel_id: int) -> None:
        self._payload: dict[str, Payload] = {}
        self._state = state
        self._person_id = person_id
        self._channel_id = channel_id

    def add_option(self, option_type: int, value: object) -> str:
        """Add the entity of a command's option, and return its id as the interaction carries it."""
        return self._add(_KINDS[option_type], value)

    def add_menu_value(self, component_type: int, value: object) -> str:
        """Add an entity chosen from a menu of users, roles or channels, and return its id."""
        return self._add(_MENU_KINDS[component_type], value)

    def add_file(self, filename: str, content: bytes) -> str:
        """Store an uploaded file and return its id."""
        attachment_id = str(self._state.backend.snowflake())
        payload = self._state.cdn.store_attachment(int(attachment_id), self._channel_id, filename, content, None)
        self._payload.setdefault("attachments", {})[attachment_id] = payload
        return attachment_id

    def add_message(self, message: Any) -> None:
        """Add a message."""
        self._payload.setdefault("messages", {})[str(message.id)] = self._state.message_payload(message)

    def as_part(self) -> Payload:
        """Return `{"resolved": …}` with the entities by kind and id, or `{}` if there are none.

        An empty `resolved` would mean an empty choice to discord.py.
        """
        return {"resolved": self._payload} if self._payload else {}

    def _add(self, kinds: tuple[str, ...], value: object) -> str:
        try:
            entity_id = int(str(value))
        except ValueError:
            raise LoopbackError(f"{value!r} is not the id of a {' or '.join(kinds)}") from None
        adders = {"user": self._add_user, "role": self._add_role, "channel": self._add_channel}
        if not any(adders[kind](entity_id) for kind in kinds):
            raise LoopbackError(f"there is no {' or '.join(kinds)} {entity_id} for this person to choose")
        return str(entity_id)

    def _guild(self) -> Any | None:
        guild_id = self._state.backend.get_channel(self._channel_id).guild_id
        return None if guild_id is None else self._state.backend.guilds[guild_id]

    def _add_user(self, user_id: int) -> bool:
        user = self._state.backend.users.get(user_id)
        if user is None:
            return False
        self._payload.setdefault("users", {})[str(user_id)] = dict(serializers.user_payload(user))
        guild = self._guild()
        if guild is not None and user_id in guild.members:
            member = serializers.member_payload(self._state.backend, guild, guild.members[user_id], with_user=False)
            permissions = self._state.backend.compute_permissions(guild.id, user_id, self._channel_id)
            self._payload.setdefault("members", {})[str(user_id)] = {**member, "permissions": str(permissions)}
        return True

    def _add_role(self, role_id: int) -> bool:
        guild = self._guild()
        if guild is None or role_id not in guild.roles:
            return False
        self._payload.setdefault("roles", {})[str(role_id)] = dict(serializers.role_payload(guild.roles[role_id]))
        return True

    def _add_channel(self, channel_id: int) -> bool:
        backend = self._state.backend
        if self._guild() is None or not backend.can_see(channel_id, self._person_id):
            return False
        channel = backend.channels[channel_id]
        permissions = backend.compute_permissions(channel.guild_id, self._person_id, channel_id)
        payload = {**serializers.channel_payload(backend, channel), "permissions": str(permissions)}
        self._payload.setdefault("channels", {})[str(channel_id)] = payload
        return True
