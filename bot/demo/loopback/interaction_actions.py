"""People's use of a bot's buttons, menus, commands and modals on the loopback Discord."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simcord.enums import SELECT_TYPES, AppCommandType, ComponentType, InteractionType
from simcord.interactions import base_payload, nest_options, walk_to_subcommand

from bot.demo.loopback.command_options import complete_options, options_so_far
from bot.demo.loopback.components import chosen_values, usable_component
from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.installations import Owners
from bot.demo.loopback.modals import modal_data
from bot.demo.loopback.registered_commands import (
    flat_commands,
    flat_commands_of,
    message_command_names,
    message_command_names_of,
    usable_command,
)
from bot.demo.loopback.resolved_entities import ResolvedEntities
from bot.demo.loopback.values import LARGEST_FILE, LoopbackError, Payload


class InteractionActions:
    """The part of `LoopbackDiscord` through which people use the bot.

    Each method sends an interaction to the bot over the gateway and returns its id at once. The bot's response
    arrives as events and messages. `LoopbackError` says in one line what Discord's client would not allow: a disabled
    button, an unknown command, an option out of range.
    """

    _state: DiscordState

    async def click(self, person_id: int, channel_id: int, message_id: int, custom_id: str) -> int:
        """Press a button of a message.

        Returns:
            The interaction's id, which `submit_modal` needs if the bot opens a modal.
        """
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            button = usable_component(message.components, custom_id, (ComponentType.BUTTON,))
            data = {"custom_id": custom_id, "component_type": int(ComponentType.BUTTON), "id": button.get("id")}
            return self._send(person_id, channel_id, InteractionType.MESSAGE_COMPONENT, data, message)

    async def choose(
        self, person_id: int, channel_id: int, message_id: int, custom_id: str, values: Sequence[str]
    ) -> int:
        """Choose from a select menu of a message.

        Args:
            values: values of string options, or ids in a menu of users, roles or channels.

        Returns:
            The interaction's id.
        """
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            menu = usable_component(message.components, custom_id, SELECT_TYPES)
            resolved = ResolvedEntities(self._state, person_id, channel_id)
            data: Payload = {
                "custom_id": custom_id,
                "component_type": menu["type"],
                "id": menu.get("id"),
                "values": chosen_values(menu, values, resolved),
            }
            data |= resolved.as_part()
            return self._send(person_id, channel_id, InteractionType.MESSAGE_COMPONENT, data, message)

    def commands(self) -> list[Payload]:
        """List the slash commands that the bot registered, with each subcommand as an entry of its own.

        Returns:
            `{"path": ["model", "info"], "description": "…", "options": […]}` each, sorted by path. Options have
            Discord's fields: `name`, `description`, `type` (3 string, 4 integer, 5 boolean, 6 user, 7 channel, 8 role,
            10 number, 11 attachment), `required`, `choices`, `autocomplete`, `min_value` and so on.
        """
        return flat_commands(self._state)

    def commands_of(self, person_id: int, channel_id: int) -> list[Payload]:
        """List the slash commands that a person may use in a channel, in the form of `commands`."""
        with as_loopback_errors():
            return flat_commands_of(self._state, person_id, channel_id)

    def message_commands(self) -> list[str]:
        """List the names of the context-menu commands for messages that the bot registered, sorted."""
        return message_command_names(self._state)

    def message_commands_of(self, person_id: int, channel_id: int) -> list[str]:
        """List the names of the context-menu commands for messages that a person may use in a channel, sorted."""
        with as_loopback_errors():
            return message_command_names_of(self._state, person_id, channel_id)

    async def invoke(
        self, person_id: int, channel_id: int, path: Sequence[str], options: Mapping[str, object] | None = None
    ) -> int:
        """Use a slash command.

        Args:
            path: the names of the groups and the command, such as `["model", "info"]`.
            options: values by name. Numbers and ids may be strings, as a form has them; attachments are
                `(name, bytes)`.

        Returns:
            The interaction's id.
        """
        with as_loopback_errors():
            use = self._command_use(person_id, channel_id, path)
            carried = complete_options(use.name, use.leaf, options or {}, use.resolved)
            interaction_id = self._send(
                person_id, channel_id, InteractionType.APPLICATION_COMMAND, use.data(carried), owners=use.owners
            )
            # What answers it names the subcommand, too.
            self._state.backend.interactions[interaction_id].command_name = use.name
            return interaction_id

    async def invoke_on_message(self, person_id: int, channel_id: int, name: str, message_id: int) -> int:
        """Use a context-menu command on a message.

        Returns:
            The interaction's id.
        """
        with as_loopback_errors():
            command, owners = usable_command(self._state, person_id, channel_id, name, AppCommandType.MESSAGE)
            message = self._state.visible_message(person_id, channel_id, message_id)
            resolved = ResolvedEntities(self._state, person_id, channel_id)
            resolved.add_message(message)
            data = {"id": command["id"], "name": name, "type": int(AppCommandType.MESSAGE)}
            data |= {"target_id": str(message_id)} | resolved.as_part()
            return self._send(person_id, channel_id, InteractionType.APPLICATION_COMMAND, data, owners=owners)

    async def autocomplete(
        self,
        person_id: int,
        channel_id: int,
        path: Sequence[str],
        options: Mapping[str, object],
        focused: str,
    ) -> list[Payload]:
        """Ask the bot for choices while an option is being typed.

        Args:
            path: as for `invoke`.
            options: the values so far, with the text typed so far under `focused`.
            focused: the name of the option being typed.

        Returns:
            `{"name": "…", "value": …}` each, as the bot sent them.

        Raises:
            LoopbackError: also when the bot does not answer within 3 s.
        """
        with as_loopback_errors():
            use = self._command_use(person_id, channel_id, path)
            carried = options_so_far(use.name, use.leaf, options, focused, use.resolved)
            kind = InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE
            record = self._state.backend.interactions[
                self._send(person_id, channel_id, kind, use.data(carried), owners=use.owners)
            ]
        await self._state.hub.wait_for(lambda: not self._state.interactions.is_open(record))
        if record.autocomplete_choices is None:
            raise LoopbackError(f"the bot did not answer the autocomplete of /{use.name}")
        return list(record.autocomplete_choices)

    async def submit_modal(self, person_id: int, interaction_id: int, values: Mapping[str, object]) -> int:
        """Fill in and submit a modal that the bot opened.

        Args:
            interaction_id: the interaction that the bot answered with the modal (event `interaction`, status `modal`).
            values: by custom id: a text; a chosen value or a list of them; ids in a menu of users, roles or channels;
                a list of `(name, bytes)` for files; a bool for a checkbox. A field without a value keeps the bot's.

        Returns:
            The id of the new interaction, which carries the values to the bot.
        """
        with as_loopback_errors():
            shown = self._state.backend.interactions.get(interaction_id)
            if shown is None or shown.user_id != person_id or shown.modal is None or shown.modal_consumed:
                raise LoopbackError(f"no modal is open for this person from interaction {interaction_id}")
            resolved = ResolvedEntities(self._state, person_id, shown.channel_id)
            data = modal_data(shown.modal, values, resolved) | resolved.as_part()
            source = self._state.backend.messages[shown.channel_id].get(shown.source_message_id)
            shown.modal_consumed = True
            owners = self._state.backend.owners[interaction_id]
            return self._send(person_id, shown.channel_id, InteractionType.MODAL_SUBMIT, data, source, owners=owners)

    def _command_use(self, person_id: int, channel_id: int, path: Sequence[str]) -> CommandUse:
        command, owners = usable_command(self._state, person_id, channel_id, path[0], AppCommandType.CHAT_INPUT)
        return CommandUse(command, path, ResolvedEntities(self._state, person_id, channel_id), owners)

    def _send(
        self,
        person_id: int,
        channel_id: int,
        kind: InteractionType,
        data: Payload,
        source: Any | None = None,
        *,
        owners: Owners | None = None,
    ) -> int:
        """Send an interaction to the bot.

        Args:
            source: the message with the button, the menu or the modal's origin.
            owners: through whose installations it comes; None for those of the source.
        """
        channel = self._state.require(person_id, channel_id, "view_channel")
        record, payload = base_payload(
            self._state.backend,
            type=int(kind),
            channel_id=channel_id,
            guild_id=channel.guild_id,
            user_id=person_id,
            data=data,
        )
        installations = self._state.installations
        if owners is None:
            owners = self._owners_of(source, channel)
        payload |= {
            "attachment_size_limit": LARGEST_FILE,
            "context": int(installations.context(channel)),
            "authorizing_integration_owners": owners,
            "app_permissions": str(installations.app_permissions(person_id, channel)),
        }
        if channel.guild_id is not None:
            payload["guild"] = {"id": str(channel.guild_id), "locale": "en-US", "features": []}
        if source is not None:
            record.source_message_id = source.id
            payload["message"] = self._state.message_payload(source)
        self._state.backend.owners[record.id] = owners
        self._state.interactions.sent(record)
        self._state.backend.emit("INTERACTION_CREATE", payload)
        return int(record.id)

    def _owners_of(self, source: Any | None, channel: Any) -> Owners:
        metadata = source and source.interaction_metadata
        if metadata and (owners := metadata["authorizing_integration_owners"]):
            return dict(owners)
        return self._state.installations.owners_of_place(channel)


class CommandUse:
    """One use of a slash command.

    Attributes:
        name: the whole path, for errors.
        leaf: the command or subcommand that has the options.
        resolved: the entities that the options name.
        owners: through whose installations the person uses it.
    """

    def __init__(self, command: Payload, path: Sequence[str], resolved: ResolvedEntities, owners: Owners) -> None:
        self.name = " ".join(path)
        self.leaf, self._nesting = walk_to_subcommand(command, list(path[1:]))
        self.resolved = resolved
        self.owners = owners
        self._command = command

    def data(self, options: list[Payload]) -> Payload:
        """Return the interaction's data with these options."""
        command = self._command
        data: Payload = {"id": command["id"], "name": command["name"], "type": int(AppCommandType.CHAT_INPUT)}
        data |= {"options": nest_options(command, self._nesting, options)} | self.resolved.as_part()
        if command.get("guild_id"):
            data["guild_id"] = command["guild_id"]
        return data
