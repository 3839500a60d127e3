"""Reads Discord messages as questions."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

import discord

from bot.conversation.changes import QUOTE_LENGTH
from bot.conversation.turn import ConversationKey, Question, Quote, UserMessage
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming.readable_text import readable_text
from bot.discord_client.incoming.text_files import read_text_files
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit

logger = logging.getLogger(__name__)

_STARTER_LENGTH = 2000
_STARTER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message with everything that came with it.

    Attributes:
        question: what it asks; None if the model can read nothing of it.
        remarks: a line for the member about each attachment that was not read.
    """

    question: Question | None
    remarks: tuple[str, ...]


class QuestionReader:
    """Reads Discord messages as questions.

    Args:
        client: the connected client.
        scopes: maps messages to conversations.
        largest_files: upper bound in bytes for the text files of one message together.
    """

    def __init__(self, client: discord.Client, scopes: ChannelScopes, largest_files: int) -> None:
        self._client = client
        self._scopes = scopes
        self._largest_files = largest_files
        self._reading: set[asyncio.Task[discord.Message | None]] = set()

    def key(self, message: discord.Message) -> ConversationKey:
        """The conversation that a message belongs to."""
        return self._scopes.key(message.channel, message.author.id)

    def is_empty(self, message: discord.Message) -> bool:
        """Whether a message has neither text, other than the mention, nor attachments."""
        return not message.attachments and not readable_text(message, self.bot_user_id)

    async def read(self, message: discord.Message) -> ReadMessage:
        """Read a message's text, its quote and its text files, which are downloaded from Discord."""
        text = readable_text(message, self.bot_user_id)
        files = await read_text_files(message, self._largest_files)
        if not text and not files.files:
            return ReadMessage(None, files.remarks)
        author, reference = message.author, message.reference
        question = Question(
            id=message.id,
            key=self.key(message),
            asked=UserMessage(text, author.id, author.display_name, self._quote(message), files.files),
            reply_to=reference.message_id if reference else None,
            thread_starter=partial(self._thread_starter, message) if reference is None else None,
        )
        return ReadMessage(question, files.remarks)

    def is_meant_for_bot(self, message: discord.Message) -> bool:
        """Whether a member mentions the bot or its role, or writes to it directly."""
        if message.author.bot or message.is_system():
            return False
        if isinstance(message.channel, discord.DMChannel):
            return True
        own_role = message.guild.self_role if message.guild else None
        return any(user.id == self.bot_user_id for user in message.mentions) or (
            own_role is not None and own_role in message.role_mentions
        )

    def may_read(self, message: discord.Message) -> bool:
        """Whether Discord shows the bot the text of a message."""
        return (
            self._client.intents.message_content
            or isinstance(message.channel, discord.DMChannel)
            or bool(message.content)
            or any(user.id == self.bot_user_id for user in message.mentions)
        )

    @property
    def bot_user_id(self) -> int:
        """The id of the bot's own account."""
        assert self._client.user is not None  # set at the login, before any event
        return self._client.user.id

    def _quote(self, message: discord.Message) -> Quote | None:
        """The message that a message replies to; None for an answer, which its conversation holds."""
        quoted = message.reference.resolved if message.reference else None
        if not isinstance(quoted, discord.Message) or quoted.author.id == self.bot_user_id:
            return None
        return self._quote_of(quoted, QUOTE_LENGTH)

    async def _thread_starter(self, message: discord.Message) -> Quote | None:
        """The message that a message's thread grew from; None also if Discord does not show it in time."""
        if not isinstance(message.channel, discord.Thread):
            return None
        # Not cancelled when the time is over: see `bot.discord_client.rest.time_limit`.
        reading = asyncio.create_task(_starter_of(message.channel))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        await asyncio.wait([reading], timeout=_STARTER_SECONDS)
        if not reading.done():
            logger.warning("The message that a thread grew from is left out thread=%d", message.channel.id)
            return None
        starter = reading.result()
        return None if starter is None or starter.id == message.id else self._quote_of(starter, _STARTER_LENGTH)

    def _quote_of(self, quoted: discord.Message, length: int) -> Quote | None:
        text = readable_text(quoted, self.bot_user_id)[:length]
        return Quote(quoted.id, quoted.author.id, quoted.author.display_name, text) if text else None


async def _starter_of(thread: discord.Thread) -> discord.Message | None:
    """The message that a thread grew from; a forum post contains it."""
    if thread.starter_message is not None:
        return thread.starter_message
    channel = thread.parent if isinstance(thread.parent, discord.TextChannel) else thread
    try:
        async with request_time_limit():
            return await channel.fetch_message(thread.id)
    except discord.NotFound:
        return None
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        logger.warning("Cannot read the message that a thread grew from thread=%d reason=%s", thread.id, refusal.reason)
        return None
