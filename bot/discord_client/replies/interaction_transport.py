"""The requests for the messages of a reply to an interaction.

Where the bot may write, its first response is a message like any other of its own. Elsewhere only the interaction's
token reaches it, for 15 minutes, and what comes later is a direct message.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final

import discord

from bot.discord_client.incoming.asked_interaction import AskedInteraction
from bot.discord_client.replies.reply_search import find_replies
from bot.discord_client.replies.reply_transport import MessageBody, ReplyTransport
from bot.discord_client.rest.permissions import ATTACH_FILES, is_allowed

_MOST_MESSAGES = 5  # where only the member has installed the bot, Discord takes 5 after the first response
_ORIGINAL: Any = "@original"
_NOBODY = discord.AllowedMentions.none()
_APPLICATION: Final = 3  # a type of webhook


def transport_for(asked: AskedInteraction, client: discord.Client) -> ReplyTransport:
    """The best way to answer an interaction now."""
    if asked.is_open:
        return OwnMessages(asked, client)
    direct = DirectMessages(asked, client)
    return TokenMessages(asked, client, direct) if asked.seconds_left > 0 else direct


class _OwnRequests(ABC):
    """What the bot sends by requests of its own."""

    later: ReplyTransport | None = None
    most_messages = sys.maxsize
    may_refer = True  # it refers to nothing, so it lacks nothing

    def __init__(self, asked: AskedInteraction, client: discord.Client) -> None:
        assert client.user is not None  # set at the login, before any event
        self._asked = asked
        self._client = client
        self._bot_user_id = client.user.id

    @abstractmethod
    async def _channel(self) -> Any:
        """Where the messages are."""

    async def send(self, body: MessageBody, nonce: str, *, refers: bool) -> discord.Message:  # noqa: ARG002 - the port's
        """Send a message; see `ReplyTransport`."""
        asker = discord.Object(self._asked.author.id)
        message: discord.Message = await (await self._channel()).send(
            body.content,
            nonce=nonce,
            view=body.view,
            files=body.files,
            allowed_mentions=discord.AllowedMentions(
                everyone=False, roles=False, users=[asker] if body.pings else False
            ),
        )
        return message

    async def edit(self, message: discord.Message, body: MessageBody) -> discord.Message:
        """Change a message."""
        # The first response's own `edit` would use the token.
        partial = (await self._channel()).get_partial_message(message.id)
        edited: discord.Message = await partial.edit(
            content=body.content, view=body.view, attachments=body.files, allowed_mentions=_NOBODY
        )
        return edited

    async def delete(self, message: discord.Message, *, opens_thread: bool) -> None:
        """Delete a message, after opening its thread if that is closed."""
        channel = await self._channel()
        if opens_thread and isinstance(channel, discord.Thread):
            await channel.edit(archived=False)
        await channel.get_partial_message(message.id).delete()

    async def fetch(self, message_id: int) -> discord.Message:
        """Read a message of the reply again."""
        message: discord.Message = await (await self._channel()).fetch_message(message_id)
        return message

    async def find(
        self, known_ids: set[int], also: Callable[[discord.Message], bool] = lambda _: False
    ) -> Sequence[discord.Message]:
        """Messages of the reply that nobody has recorded."""
        return await find_replies(self._asked.id, await self._channel(), self._bot_user_id, known_ids, also)


class OwnMessages(_OwnRequests):
    """Implements `ReplyTransport` in a channel where the bot may write."""

    @property
    def place_id(self) -> int:
        """The channel."""
        return self._asked.key.channel_id

    @property
    def may_attach(self) -> bool:
        """Whether the channel takes files."""
        return is_allowed(self._asked.channel, ATTACH_FILES)

    async def _channel(self) -> Any:
        return self._asked.channel


class DirectMessages(_OwnRequests):
    """Implements `ReplyTransport` in the direct message with the asker."""

    may_attach = True

    @property
    def place_id(self) -> int:
        """The asker: the channel is known only to Discord at first."""
        return self._asked.author.id

    async def _channel(self) -> Any:
        return await self._client.create_dm(discord.Object(self._asked.author.id, type=discord.User))


class TokenMessages:
    """Implements `ReplyTransport` by an interaction's token.

    Args:
        asked: has the token.
        client: the connected client.
        later: takes over when the token has ended.
    """

    may_attach = True
    may_refer = True  # it refers to nothing, so it lacks nothing
    most_messages = _MOST_MESSAGES

    def __init__(self, asked: AskedInteraction, client: discord.Client, later: ReplyTransport) -> None:
        assert client.application_id is not None  # set at the login, before any event
        self.later: ReplyTransport | None = later
        self._asked = asked
        self._webhook = discord.Webhook.from_state(
            {"id": client.application_id, "type": _APPLICATION, "token": asked.token},
            client._connection,  # as discord.py's `Interaction.followup`, for interactions from before a restart, too
        )

    @property
    def place_id(self) -> int:
        """The interaction: Discord counts the requests for each."""
        return self._asked.id

    async def send(self, body: MessageBody, nonce: str, *, refers: bool) -> discord.Message:  # noqa: ARG002 - the port's
        """Send a message; see `ReplyTransport`. Discord takes no nonce here."""
        return await self._webhook.send(
            body.content,
            view=body.view or discord.utils.MISSING,
            files=body.files,
            ephemeral=self._asked.is_private,
            allowed_mentions=_NOBODY,
            wait=True,
        )

    async def edit(self, message: discord.Message, body: MessageBody) -> discord.Message:
        """Change a message."""
        return await self._webhook.edit_message(
            message.id,
            content=body.content,
            view=body.view,
            attachments=body.files,
            allowed_mentions=_NOBODY,
        )

    async def delete(self, message: discord.Message, *, opens_thread: bool) -> None:  # noqa: ARG002 - the port's
        """Delete a message."""
        await self._webhook.delete_message(message.id)

    async def fetch(self, message_id: int) -> discord.Message:
        """Read a message of the reply again."""
        return await self._webhook.fetch_message(message_id)

    async def find(
        self,
        known_ids: set[int],
        also: Callable[[discord.Message], bool] = lambda _: False,  # noqa: ARG002 - the port's
    ) -> Sequence[discord.Message]:
        """The first response, if nobody has recorded it. Discord lists no others."""
        try:
            first = await self._webhook.fetch_message(_ORIGINAL)
        except discord.NotFound:
            return []
        return [] if first.id in known_ids else [first]
