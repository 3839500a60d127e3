"""What the guild of the loopback Discord consists of, and what it allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import discord

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.gateway import Gateway
from bot.demo.loopback.values import Channel, LoopbackError, Person


class GuildSetup:
    """The part of `LoopbackDiscord` that holds people and channels and says what they and the bot may do."""

    _state: DiscordState
    _gateway: Gateway

    @property
    def bot(self) -> Person:
        """The bot, "Phi". Its application has the same id."""
        return self._state.bot

    @property
    def guild_id(self) -> int:
        """The id of the one guild."""
        return self._state.guild_id

    @property
    def people(self) -> tuple[Person, ...]:
        """The members of the guild: Ada, Grace and Linus, then those whom `add_person` added."""
        return tuple(self._state.people)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The text channels: `general`, `help` and `random`, then those that `add_channel` added."""
        return tuple(self._state.channels)

    def add_person(self, name: str) -> Person:
        """Let somebody join the guild, as an ordinary member."""
        return self._state.add_person(name)

    def add_channel(self, name: str, kind: str = "text") -> Channel:
        """Create a channel that is open to everybody.

        Args:
            kind: "text", "news" (an announcement channel), "voice", "stage_voice" or "forum".
        """
        return self._state.add_channel(name, discord.ChannelType[kind])

    def time_out(self, user_id: int, seconds: float) -> None:
        """Put a person or the bot in a timeout: they can read, and do nothing else; 0 ends it."""
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        self._state.backend.edit_member(self.guild_id, user_id, {"timed_out_until": until.isoformat()})

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

    def permissions_of(self, user_id: int, channel_id: int) -> list[str]:
        """List the names of the permissions that a person or the bot has in a channel, sorted."""
        return self._state.permissions_of(user_id, channel_id)

    @property
    def granted_intents(self) -> frozenset[str]:
        """The privileged intents that the portal grants."""
        return self._state.granted_intents

    async def set_intent(self, name: str, *, is_granted: bool) -> None:
        """Grant or withhold a privileged intent in the portal, and let the bot connect anew.

        Discord looks at the portal when a bot identifies, so a session that was begun before ends here: the bot cannot
        resume it, and gets close code 4014 if it asks for an intent that it lost. REST follows at once.
        """
        self._state.set_intent(name, is_granted=is_granted)
        await self._gateway.drop(forget=True)

    def set_dms_open(self, person_id: int, is_open: bool) -> None:
        """Let a person take DMs from the bot, or not. Closed, the bot's messages there get error 50007."""
        if is_open:
            self._state.closed_dms.discard(person_id)
        else:
            self._state.closed_dms.add(person_id)

    def block_word(self, word: str) -> None:
        """Let the guild's AutoMod block a word, in upper or lower case.

        The bot's messages and edits with it get error 200000, its threads' names 200001. People with Manage Server are
        exempt.
        """
        self._state.blocked_words.append(word)

    def set_interaction_lifetime(self, seconds: float) -> None:
        """Let the tokens of new interactions end after so many seconds, in place of 15 minutes."""
        self._state.backend.interaction_seconds = seconds

    def expire_interaction(self, interaction_id: int) -> None:
        """Let an interaction's token end now, as it does after 15 minutes: the bot's responses get error 50027."""
        record = self._state.backend.interactions.get(interaction_id)
        if record is None:
            raise LoopbackError(f"there is no interaction {interaction_id}")
        record.expires_at = self._state.backend.now_iso()
