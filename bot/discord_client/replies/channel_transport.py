"""The bot's own requests for the messages of a reply, in the channel of the question."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import discord

from bot.discord_client.replies.reply_search import find_replies, grew_from
from bot.discord_client.replies.reply_transport import MessageBody, ReplyTransport
from bot.discord_client.rest.permissions import ATTACH_FILES, READ_MESSAGE_HISTORY, is_allowed

_PING = discord.AllowedMentions(everyone=False, users=False, roles=False, replied_user=True)


class ChannelTransport:
    """Implements `ReplyTransport` for the question in a message.

    Args:
        question: the message to reply to.
        bot_user_id: of the bot's own account.
    """

    most_messages = sys.maxsize
    later: ReplyTransport | None = None

    def __init__(self, question: discord.PartialMessage, bot_user_id: int) -> None:
        self._question = question
        self._bot_user_id = bot_user_id

    @property
    def place_id(self) -> int:
        """The channel."""
        return self._question.channel.id

    @property
    def may_attach(self) -> bool:
        """Whether the channel takes files."""
        return is_allowed(self._question.channel, ATTACH_FILES)

    @property
    def may_refer(self) -> bool:
        """Whether the bot may reply there."""
        return is_allowed(self._question.channel, READ_MESSAGE_HISTORY)

    async def send(self, body: MessageBody, nonce: str, *, refers: bool) -> discord.Message:
        """Send a message; see `ReplyTransport`."""
        may_refer = refers and not grew_from(self._question.id, self._question.channel)
        reference = self._question.to_reference(fail_if_not_exists=False) if may_refer else None
        return await self._question.channel.send(
            body.content,
            reference=reference,  # type: ignore[arg-type]  # discord.py takes None, but its overloads leave it out
            nonce=nonce,
            view=body.view,  # type: ignore[arg-type]  # as above
            files=body.files,
            allowed_mentions=_PING if body.pings else None,  # type: ignore[arg-type]  # as above
        )

    async def edit(self, message: discord.Message, body: MessageBody) -> discord.Message:
        """Change a message."""
        return await message.edit(
            content=body.content,
            view=body.view,
            attachments=body.files,
            allowed_mentions=_PING if body.pings else discord.AllowedMentions.none(),
        )

    async def delete(self, message: discord.Message, *, opens_thread: bool) -> None:
        """Delete a message, after opening its thread if that is closed."""
        channel = self._question.channel
        if opens_thread and isinstance(channel, discord.Thread):
            await channel.edit(archived=False)
        await message.delete()

    async def fetch(self, message_id: int) -> discord.Message:
        """Read a message of the reply again."""
        return await self._question.channel.fetch_message(message_id)

    async def find(
        self, known_ids: set[int], also: Callable[[discord.Message], bool] = lambda _: False
    ) -> Sequence[discord.Message]:
        """Messages of the reply that nobody has recorded."""
        return await find_replies(self._question.id, self._question.channel, self._bot_user_id, known_ids, also)
