"""A Discord message becomes a question."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import aiohttp
import discord

from bot.conversation.conversations import Conversations
from bot.conversation.turn import Question, Quote, TextFile, UserMessage
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming.readable_text import readable_text
from bot.discord_client.incoming.text_files import read_text_files

logger = logging.getLogger(__name__)

_QUOTE_LENGTH = 500
_STARTER_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Enclosures:
    """What comes with a message beside its text.

    Attributes:
        quote: the message that it is about.
        files: its text files.
        remarks: a line for the person about each thing that was not read.
    """

    quote: Quote | None
    files: tuple[TextFile, ...]
    remarks: tuple[str, ...]


class QuestionReader:
    """Reads messages.

    Args:
        client: the connected client.
        scopes: knows which conversation a message belongs to.
        conversations: what was said before.
        largest_files: the most bytes of text files that are read with one message.
    """

    def __init__(
        self, client: discord.Client, scopes: ChannelScopes, conversations: Conversations, largest_files: int
    ) -> None:
        self._client = client
        self._scopes = scopes
        self._conversations = conversations
        self._largest_files = largest_files

    def question(self, message: discord.Message) -> Question | None:
        """What a message asks by its text alone; None if it has neither text nor files."""
        text = readable_text(message, self.bot_user_id)
        if not text and not message.attachments:
            return None
        return Question(
            id=message.id,
            key=self._scopes.key(message.channel, message.author.id),
            asked=UserMessage(text, message.author.id, message.author.display_name),
            reply_to=message.reference.message_id if message.reference else None,
        )

    async def enclosures(self, message: discord.Message) -> Enclosures:
        """Read what comes with a message; its files are fetched from Discord."""
        files = await read_text_files(message, self._largest_files)
        return Enclosures(await self._quote(message), files.files, files.remarks)

    def is_meant_for_bot(self, message: discord.Message) -> bool:
        """Whether a person wrote it and mentions the bot, its role, or writes to it directly."""
        if message.author.bot or message.is_system():
            return False
        if isinstance(message.channel, discord.DMChannel):
            return True
        own_role = message.guild.self_role if message.guild else None
        return any(user.id == self.bot_user_id for user in message.mentions) or (
            own_role is not None and own_role in message.role_mentions
        )

    def may_read(self, message: discord.Message) -> bool:
        """Whether Discord lets the bot see what stands in a message."""
        return (
            self._client.intents.message_content
            or isinstance(message.channel, discord.DMChannel)
            or bool(message.content)
            or any(user.id == self.bot_user_id for user in message.mentions)
        )

    @property
    def bot_user_id(self) -> int:
        """The id of the bot's own account."""
        assert self._client.user is not None  # known since the login, before any event
        return self._client.user.id

    async def _quote(self, message: discord.Message) -> Quote | None:
        """What the message is about, unless that is in the conversation already."""
        if message.reference is not None:
            quoted = message.reference.resolved
            if not isinstance(quoted, discord.Message) or quoted.author.id == self.bot_user_id:
                return None
            if await self._conversations.knows(quoted.id):
                return None
            return self._quote_of(quoted, _QUOTE_LENGTH)
        channel = message.channel
        if not isinstance(channel, discord.Thread):
            return None
        opened = await self._conversations.peek(self._scopes.key(channel, message.author.id))
        if opened.branch or opened.resets:
            return None
        starter = await _starter_of(channel)
        return None if starter is None or starter.id == message.id else self._quote_of(starter, _STARTER_LENGTH)

    def _quote_of(self, quoted: discord.Message, length: int) -> Quote | None:
        text = readable_text(quoted, self.bot_user_id)[:length]
        return Quote(quoted.id, quoted.author.id, quoted.author.display_name, text) if text else None


async def _starter_of(thread: discord.Thread) -> discord.Message | None:
    """The message that a thread grew from; a forum's post holds its own."""
    if thread.starter_message is not None:
        return thread.starter_message
    place = thread.parent if isinstance(thread.parent, discord.TextChannel) else thread
    try:
        return await place.fetch_message(thread.id)
    except discord.NotFound:
        return None
    except (discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError) as error:
        logger.warning("The message that a thread grew from cannot be read: %s", error)
        return None
