"""A question that came as an interaction: by `/ask`, or from the menu of a message.

Everything about it is in one record of plain values, which `accepted_questions` keeps until the answer is delivered. So
a question looks the same to the bot before and after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeAlias, cast

import discord

from bot.conversation.store import UnfinishedQuestion
from bot.conversation.turn import ConversationKey
from bot.discord_client.channel_scopes import ChannelScopes, private_key
from bot.discord_client.incoming.readable_text import readable_text
from bot.discord_client.rest.permissions import may_send

# The token lives 15 minutes: https://discord.com/developers/docs/interactions/receiving-and-responding
_TOKEN_SECONDS = 14 * 60.0


@dataclass(frozen=True, slots=True)
class Asker:
    """The member who asked."""

    id: int
    display_name: str

    @property
    def mention(self) -> str:
        """Names the member in a message."""
        return f"<@{self.id}>"


class AskedInteraction:
    """A question in an interaction, in the place of the message that it is not.

    Args:
        client: the connected client.
        interaction_id: of the interaction; the question and its turn have the same id.
        channel_id: where it was used.
        asker_id: of the member.
        record: what else there is to know; `record_of` makes it.

    Attributes:
        record: may be stored. It holds the token, which must not be logged.
        key: the conversation that it belongs to.
        is_private: whether nobody but the asker may see the answer.
        target: the message that it is about; None if it is about none.
        mentions: the members that it names, for `readable_text`; Discord does not tell them.
    """

    mentions: Sequence[discord.abc.User] = ()

    def __init__(
        self,
        client: discord.Client,
        interaction_id: int,
        channel_id: int,
        asker_id: int,
        record: Mapping[str, Any],
    ) -> None:
        self.id = interaction_id
        self.record = record
        self.author = Asker(asker_id, record["asker_name"])
        self.key = ConversationKey(channel_id, record["memory_person_id"])
        self.is_private: bool = record["is_private"]
        self.guild = client.get_guild(record["guild_id"]) if record["guild_id"] else None
        channel: Any = client.get_channel(channel_id)
        self.channel = channel or client.get_partial_messageable(channel_id, guild_id=record["guild_id"])
        state = client._connection  # as discord.py's own `Namespace` builds what an interaction names
        self.attachments = [discord.Attachment(data=data, state=state) for data in record["files"]]
        self.target: discord.Message | None = None
        if record["target"] is not None:
            target = discord.Message(state=state, channel=self.channel, data=record["target"])
            target.guild = self.guild
            self.target = target

    @classmethod
    def of(
        cls,
        interaction: discord.Interaction[Any],
        scopes: ChannelScopes,
        text: str,
        *,
        file: discord.Attachment | None = None,
        target: Mapping[str, Any] | None = None,
        is_private: bool = False,
    ) -> Self:
        """The question in an interaction that has just arrived.

        Args:
            text: what the member asks; "" to have the target itself answered.
            target: the message that it is about, as Discord sent it.
            is_private: whether only the member may see the answer; in direct messages nobody else does anyway. Where
                the member may not write, it is private in any case.
        """
        assert interaction.channel_id is not None  # of every command and form
        place = scopes.place_of(interaction)
        is_private = not place.is_direct and (is_private or not asker_may_write(interaction))
        key = ConversationKey(interaction.channel_id, interaction.user.id)
        if is_private:
            key = private_key(interaction.channel_id, interaction.user.id)
        elif place.is_home and interaction.channel is not None:
            key = scopes.key(interaction.channel, interaction.user.id)
        record = {
            "token": interaction.token,
            "guild_id": interaction.guild_id,
            "asker_name": interaction.user.display_name,
            "memory_person_id": key.person_id,
            "is_home": place.is_home,
            "may_write": place.is_direct or _may_write(interaction, interaction.app_permissions),
            "is_private": is_private,
            "text": text.strip(),
            "files": [] if file is None else [file.to_dict()],
            "target": target,
        }
        return cls(interaction.client, interaction.id, interaction.channel_id, interaction.user.id, record)

    @classmethod
    def accepted_before(cls, client: discord.Client, question: UnfinishedQuestion) -> Self:
        """The question that was accepted before a restart."""
        assert question.interaction is not None
        return cls(client, question.message_id, question.channel_id, question.author_id, question.interaction)

    @property
    def text(self) -> str:
        """What the member wrote; "" to have the target itself answered."""
        return str(self.record["text"])

    def readable_text(self, bot_user_id: int) -> str:
        """What the member wrote, with names for mentions."""
        return readable_text(cast(discord.Message, self), bot_user_id, self.text)

    @property
    def token(self) -> str:
        """With it the interaction is answered. A secret."""
        return str(self.record["token"])

    @property
    def target_url(self) -> str:
        """Leads to the message that it is about, also in a server that only Discord knows."""
        assert self.target is not None
        return f"https://discord.com/channels/{self.record['guild_id'] or '@me'}/{self.channel.id}/{self.target.id}"

    @property
    def created_at(self) -> datetime:
        """When it was used."""
        return discord.utils.snowflake_time(self.id)

    @property
    def seconds_left(self) -> float:
        """How long the token may be used; one minute before its end it may no longer, so that the last edit arrives."""
        return (self.created_at + timedelta(seconds=_TOKEN_SECONDS) - datetime.now(UTC)).total_seconds()

    @property
    def is_open(self) -> bool:
        """Whether the answer is a message like any other of the bot, which it writes by requests of its own."""
        if isinstance(self.channel, discord.PartialMessageable):  # such as a closed thread
            return self.is_shared and bool(self.record["may_write"])
        return self.is_shared and may_send(self.channel)

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to the conversation that a mention in the same place would continue."""
        return bool(self.record["is_home"]) and not self.is_private


def asker_may_write(interaction: discord.Interaction[Any]) -> bool:
    """Whether the member who uses an interaction could write a message there. The menu of a message works without."""
    return interaction.guild_id is None or _may_write(interaction, interaction.permissions)


def _may_write(interaction: discord.Interaction[Any], allowed: discord.Permissions) -> bool:
    is_thread = isinstance(interaction.channel, discord.Thread)
    return allowed.view_channel and (allowed.send_messages_in_threads if is_thread else allowed.send_messages)


Asked: TypeAlias = discord.PartialMessage | AskedInteraction
"""What asked: a message, whose text may not be known, or an interaction."""

Asking: TypeAlias = discord.Message | AskedInteraction
"""The same, with a text that is known."""
