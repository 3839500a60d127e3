"""Where the application is installed, and who can use its commands because of that.

Source: https://discord.com/developers/docs/resources/application#installation-context
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import discord
from simcord.backend.command_access import command_access
from simcord.backend.errors import BackendError

from bot.demo.loopback.backend import LoopbackBackend
from bot.demo.loopback.message_checks import form_error

Owners = dict[str, str]
"""Who installed the application as an interaction needs it: ids by integration type. A DM's server is "0"."""


class Install(IntEnum):
    """Discord's integration types."""

    GUILD = 0
    USER = 1


class Context(IntEnum):
    """Discord's interaction contexts: where a command is used."""

    GUILD = 0
    BOT_DM = 1
    PRIVATE_CHANNEL = 2


_IN_RESPONSES = discord.Permissions(attach_files=True, embed_links=True, mention_everyone=True)


class Installations:
    """The installations of one application.

    Attributes:
        allows_users: whether the portal's setting "User Install" is on.
    """

    def __init__(self, backend: LoopbackBackend, *, allows_users: bool) -> None:
        self.allows_users = allows_users
        self._backend = backend
        self._people: set[int] = set()

    def add_person(self, person_id: int) -> None:
        """Install the application to a person's account."""
        self._people.add(person_id)

    def remove_person(self, person_id: int) -> None:
        """Remove the application from a person's account."""
        self._people.discard(person_id)

    def has_person(self, person_id: int) -> bool:
        """Whether a person installed the application to their account."""
        return self.allows_users and person_id in self._people

    def has_guild(self, guild_id: int) -> bool:
        """Whether the bot is a member of a guild."""
        guild = self._backend.guilds.get(guild_id)
        return guild is not None and self._backend.bot_user.id in guild.members

    def context(self, channel: Any) -> Context:
        """Return what kind of place a channel is."""
        if channel.guild_id is not None:
            return Context.GUILD
        is_private = channel.id in self._backend.private_channels
        return Context.PRIVATE_CHANNEL if is_private else Context.BOT_DM

    def owners_of_place(self, channel: Any) -> Owners:
        """Return the owner for what the bot itself put into a channel, such as a button."""
        return {str(int(Install.GUILD)): str(channel.guild_id or 0)}

    def owners(self, command: Mapping[str, Any], person_id: int, channel: Any) -> Owners:
        """Return through whose installations a person can use a command in a channel; empty if through none."""
        owners: Owners = {}
        if self.refusal_in_guild(command, person_id, channel) is None:
            owners |= self.owners_of_place(channel)
        if self._is_usable_as_own(command, person_id, channel):
            owners[str(int(Install.USER))] = str(person_id)
        return owners

    def refusal_in_guild(self, command: Mapping[str, Any], person_id: int, channel: Any) -> str | None:
        """Return why a guild's installation does not let a person use a command in a channel; None if it does."""
        context = self.context(channel)
        is_installed = context is Context.BOT_DM or (channel.guild_id and self.has_guild(channel.guild_id))
        if not is_installed:
            return "not installed here"
        if Install.GUILD not in self._types(command):
            return "not for servers"
        access = command_access(self._backend, command, user_id=person_id, channel_id=channel.id)
        return None if access.allowed else access.reason

    def app_permissions(self, person_id: int, channel: Any) -> int:
        """Return what the application may do in its responses in a channel.

        Where the bot is no member, an interaction tells only what matters to a response.
        """
        if channel.guild_id is None:
            in_dms = discord.Permissions(_IN_RESPONSES.value)
            in_dms.use_external_emojis = self.context(channel) is Context.BOT_DM
            return in_dms.value
        if self.has_guild(channel.guild_id):
            bot_id = self._backend.bot_user.id
            return int(self._backend.compute_permissions(channel.guild_id, bot_id, channel.id))
        return int(self._backend.compute_permissions(channel.guild_id, person_id, channel.id)) & _IN_RESPONSES.value

    def check_commands(self, commands: object) -> None:
        """Refuse commands for people's accounts if the portal does not allow these.

        Discord's code is 50035. The details are ours: nobody published Discord's own.
        """
        if self.allows_users or not isinstance(commands, list):
            return
        for index, command in enumerate(commands):
            if isinstance(command, dict) and Install.USER in (command.get("integration_types") or ()):
                raise _not_allowed(index)

    def _types(self, command: Mapping[str, Any]) -> Sequence[int]:
        """Return a command's integration types; without any, those that the portal allows."""
        if command.get("guild_id") is not None:
            return [Install.GUILD]
        types: Sequence[int] | None = command.get("integration_types")
        return types or ([Install.GUILD, Install.USER] if self.allows_users else [Install.GUILD])

    def _is_usable_as_own(self, command: Mapping[str, Any], person_id: int, channel: Any) -> bool:
        if not self.has_person(person_id) or Install.USER not in self._types(command):
            return False
        contexts = command.get("contexts")
        if contexts is not None and self.context(channel) not in contexts:
            return False
        if channel.guild_id is None:
            return True
        permissions = self._backend.compute_permissions(channel.guild_id, person_id, channel.id)
        return discord.Permissions(permissions).use_application_commands


def _not_allowed(index: int) -> BackendError:
    text = "The application does not support this integration type."
    return form_error((str(index), "integration_types"), "APPLICATION_COMMAND_INTEGRATION_TYPE_UNSUPPORTED", text)
