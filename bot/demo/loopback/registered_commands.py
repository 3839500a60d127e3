"""Finds and lists the application commands that the bot registered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simcord.enums import AppCommandType
from simcord.interactions import command_leaves

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.events import Event, EventKind
from bot.demo.loopback.installations import Owners
from bot.demo.loopback.values import LoopbackError, Payload


def flat_commands(state: DiscordState) -> list[Payload]:
    """List the slash commands; see `InteractionActions.commands`."""
    return _flat(_registered(state, AppCommandType.CHAT_INPUT))


def flat_commands_of(state: DiscordState, person_id: int, channel_id: int) -> list[Payload]:
    """List the slash commands that a person may use in a channel."""
    return _flat(_usable(state, person_id, channel_id, AppCommandType.CHAT_INPUT))


def message_command_names(state: DiscordState) -> list[str]:
    """List the names of the context-menu commands for messages."""
    return sorted(str(command["name"]) for command in _registered(state, AppCommandType.MESSAGE))


def message_command_names_of(state: DiscordState, person_id: int, channel_id: int) -> list[str]:
    """List the names of the context-menu commands for messages that a person may use in a channel."""
    return sorted(str(command["name"]) for command in _usable(state, person_id, channel_id, AppCommandType.MESSAGE))


def publish_commands(state: DiscordState) -> None:
    """Publish that the commands which people can use changed."""
    state.hub.publish(Event(EventKind.COMMANDS, None, None, {"commands": flat_commands(state)}))


def usable_command(
    state: DiscordState, person_id: int, channel_id: int, name: str, kind: AppCommandType
) -> tuple[Any, Owners]:
    """Return a command by the first name of its path, if a person may use it in a channel, and whose it is there.

    Raises:
        LoopbackError: it is not registered, or not usable by this person or in this channel.
    """
    channel = state.require(person_id, channel_id, "view_channel")
    command = state.backend.find_command(name, channel.guild_id, type=kind)
    if command is None:
        raise LoopbackError(f"the bot has registered no command {name!r}")
    owners = state.installations.owners(command, person_id, channel)
    if not owners:
        reason = state.installations.refusal_in_guild(command, person_id, channel)
        raise LoopbackError(f"the command {name!r} cannot be used by this person here: {reason}")
    return command, owners


def _usable(state: DiscordState, person_id: int, channel_id: int, kind: AppCommandType) -> list[Payload]:
    channel = state.require(person_id, channel_id, "view_channel")
    scopes = {channel.guild_id, None}
    return [
        command
        for scope in scopes
        for command in state.backend.commands.get(scope, {}).values()
        if command["type"] == kind and state.installations.owners(command, person_id, channel)
    ]


def _registered(state: DiscordState, kind: AppCommandType) -> list[Payload]:
    scopes = state.backend.commands.values()
    return [command for scope in scopes for command in scope.values() if command["type"] == kind]


def _flat(commands: Iterable[Payload]) -> list[Payload]:
    leaves = [leaf for command in commands for leaf in command_leaves(command)]
    flat = [
        {"path": path, "description": leaf.get("description", ""), "options": leaf.get("options") or []}
        for path, leaf in leaves
    ]
    return sorted(flat, key=lambda command: command["path"])
