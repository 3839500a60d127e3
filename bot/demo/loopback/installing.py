"""Servers with and without the bot, private channels, and people who install the application."""

from __future__ import annotations

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.registered_commands import publish_commands
from bot.demo.loopback.values import LoopbackError, Server


class Installing:
    """The part of `LoopbackDiscord` that says where the application is installed, and makes places where it is not."""

    _state: DiscordState

    @property
    def servers(self) -> tuple[Server, ...]:
        """The guilds: the bot's own first, then those that `add_server` added."""
        return tuple(self._state.servers)

    def add_server(self, name: str, *, with_bot: bool = False, channels: tuple[str, ...] = ("lounge",)) -> Server:
        """Create a guild with everybody in it; Ada owns it.

        Args:
            with_bot: whether the bot is a member. It learns of the guild at once, by GUILD_CREATE.
        """
        server = self._state.add_server(name, with_bot=with_bot, channels=channels)
        self._state.publish_channels()
        return server

    def has_bot(self, server_id: int) -> bool:
        """Whether the bot is a member of a guild."""
        return self._state.installations.has_guild(server_id)

    def add_bot(self, server_id: int) -> None:
        """Add the bot to a guild while it runs: it receives GUILD_CREATE."""
        with as_loopback_errors():
            self._state.backend.add_bot(server_id)
        self._state.publish_channels()

    def remove_bot(self, server_id: int) -> None:
        """Remove the bot from a guild: it receives GUILD_DELETE, and its requests there get error 50001."""
        with as_loopback_errors():
            self._state.backend.remove_bot(server_id)
        self._state.publish_channels()

    def open_private_channel(self, person_id: int, *others: int) -> int:
        """Open a DM between two people, or a group DM of more, without the bot.

        Returns:
            The channel's id; the same one for the same people.
        """
        people = {person.id for person in self._state.people}
        if not others or not people.issuperset({person_id, *others}) or person_id in others:
            raise LoopbackError("a private channel needs two different people or more")
        return int(self._state.backend.open_private_channel((person_id, *others)).id)

    def install_app(self, person_id: int) -> None:
        """Install the application to a person's account: its commands for accounts are there for them everywhere."""
        if not self._state.installations.allows_users:
            raise LoopbackError("Discord refuses: this application cannot be installed to an account")
        self._state.installations.add_person(person_id)
        publish_commands(self._state)

    def uninstall_app(self, person_id: int) -> None:
        """Remove the application from a person's account."""
        self._state.installations.remove_person(person_id)
        publish_commands(self._state)

    def has_installed_app(self, person_id: int) -> bool:
        """Whether a person installed the application to their account."""
        return self._state.installations.has_person(person_id)

    @property
    def allows_user_installs(self) -> bool:
        """The portal's "User Install"."""
        return self._state.installations.allows_users

    def allow_user_installs(self, is_allowed: bool) -> None:
        """Set the portal's "User Install". Off: registering commands for accounts gets error 50035."""
        self._state.installations.allows_users = is_allowed
        publish_commands(self._state)
