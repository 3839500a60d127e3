"""Reads Discord messages as questions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import discord

from bot.conversation.quoting import IsHeld
from bot.conversation.turn import ConversationKey, File, Question, Quote, Relation, TextFile, UserMessage
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming import remarks as lines
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.incoming.asked_interaction import AskedInteraction, Asking
from bot.discord_client.incoming.interaction_reader import read_interaction
from bot.discord_client.incoming.message_content import (
    WHOLE_MESSAGE,
    MessageContent,
    attachments_of,
    content_of,
    is_written,
)
from bot.discord_client.incoming.quoted_message import FoundMessage, MessageFinder, is_reply
from bot.discord_client.incoming.text_files import read_files

_NOTHING = MessageContent("", ())
_NOTHING_SHOWN = MessageContent("", (WHOLE_MESSAGE,))


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message with everything that came with it.

    Attributes:
        question: what it asks; None if the model can read nothing of it.
        remarks: a line for the member about each thing that was not read. `Question.thread_starter` adds its own.
    """

    question: Question | None
    remarks: list[str]


class QuestionReader:
    """Reads Discord messages as questions.

    Args:
        client: the connected client.
        scopes: maps messages to conversations.
        addressing: knows where nobody needs to mention the bot.
        largest_files: upper bound in bytes for the text files of one question together.
        greeting: what to say to somebody who asks nothing; it contains `remarks.GREETING`.
    """

    def __init__(
        self,
        client: discord.Client,
        scopes: ChannelScopes,
        addressing: Addressing,
        largest_files: int,
        greeting: Callable[[], str] = lambda: lines.GREETING,
    ) -> None:
        self._client = client
        self._scopes = scopes
        self._addressing = addressing
        self._largest_files = largest_files
        self.greeting = greeting
        self._finder = MessageFinder()

    def key(self, message: Asking) -> ConversationKey:
        """The conversation that a message or an interaction belongs to."""
        if isinstance(message, AskedInteraction):
            return message.key
        return self._scopes.key(message.channel, message.author.id)

    def text(self, message: discord.Message) -> str:
        """What a message says, as its question or a quote of it has it."""
        return content_of(message, self.bot_user_id).text

    def invitation(self, message: discord.Message) -> str | None:
        """The line to say to somebody whose message asks nothing; None for one that may ask something.

        A mention alone asks nothing, unless it replies to somebody else's message: then it asks what that one says.
        """
        content = content_of(message, self.bot_user_id)
        if content.unseen == (WHOLE_MESSAGE,) and not self.may_read(message):
            return lines.REPLY_HIDDEN if self._replies_to_bot(message) else lines.ROLE_ALONE
        if content.text or attachments_of(message) or self._may_ask_again(message):
            return None
        return self.greeting()

    async def read(self, message: Asking, parts: Sequence[discord.Message] = ()) -> ReadMessage:
        """Read a message's text and what it replies to, with their text files, which are downloaded from Discord.

        Args:
            parts: earlier messages that are one question with it, the oldest first. The first of all may be a reply.
        """
        if isinstance(message, AskedInteraction):
            return await self._read_interaction(message)
        first, own = (*parts, message)[0], content_of(message, self.bot_user_id)
        found = await self._finder.replied_to(first)
        quoted, attachments = found.message, attachments_of(message)
        others = [*parts, *([quoted] if quoted else [])]
        all_attachments = [*attachments, *(each for other in others for each in attachments_of(other))]
        read = await read_files(all_attachments, self._largest_files)
        left = iter(read.files)
        files, *files_of_others = (tuple(islice(left, len(attachments_of(each)))) for each in (message, *others))
        files_of_quote = files_of_others[len(parts)] if quoted else ()
        said, remarks = self._quoted(found, lines.REPLIED_TO)
        contents = [own, *(content_of(part, self.bot_user_id) for part in parts)]
        unseen = [each for content in (*contents, said) for each in content.unseen]
        remarks = [*read.remarks, *lines.about_unseen(unseen), *remarks]
        is_asked_again = quoted is not None and quoted.author.id != self.bot_user_id
        asks = any(map(_is_readable, contents, (files, *files_of_others)))
        if not asks and not (is_asked_again and _is_readable(said, files_of_quote)):
            return ReadMessage(None, remarks)
        author, replies = message.author, is_reply(first)
        replied_id = first.reference.message_id if first.reference and replies else None
        quote = _quote(replied_id, found, said, files_of_quote)
        quotes = [*([quote] if quote else []), *map(_part, parts, contents[1:], files_of_others)]
        question = Question(
            id=message.id,
            key=self.key(message),
            asked=UserMessage(own.text, author.id, author.display_name, tuple(quotes), files),
            reply_to=replied_id,
            thread_starter=None if replies else partial(self._thread_starter, first, remarks),
            earlier_quotes=None if quoted is None else self.earlier_quotes(quoted, remarks, read.bytes_read),
        )
        return ReadMessage(question, remarks)

    def earlier_quotes(
        self, quoted: discord.Message, remarks: list[str], bytes_read: int = 0
    ) -> Callable[[IsHeld], Awaitable[Sequence[Quote]]]:
        """Reads the chain of replies before a quoted message, as `Question.earlier_quotes`.

        Args:
            remarks: gets a line for the member about each thing that is not read.
            bytes_read: of the files that came with the question and the quoted message.
        """
        return partial(self._earlier_quotes, quoted, remarks, self._largest_files - bytes_read)

    async def _read_interaction(self, asked: AskedInteraction) -> ReadMessage:
        question, remarks = await read_interaction(asked, self.bot_user_id, self._largest_files)
        if question is not None and asked.is_shared and asked.target is None:
            question = replace(question, thread_starter=partial(self._thread_starter, asked, remarks))
        return ReadMessage(question, remarks)

    def is_meant_for_bot(self, message: discord.Message) -> bool:
        """Whether a member mentions the bot or its role, replies to it, or writes where that is not needed."""
        if message.author.bot or not is_written(message):
            return False
        if isinstance(message.channel, discord.DMChannel):
            return True
        own_role = message.guild.self_role if message.guild else None
        is_addressed = (
            self._replies_to_bot(message)
            or any(user.id == self.bot_user_id for user in message.mentions)
            or (own_role is not None and own_role in message.role_mentions)
        )
        if self._addressing.is_open(message.channel):
            return self._addressing.is_question(message, is_addressed=is_addressed)
        return is_addressed

    def needs_no_mention(self, message: discord.Message) -> bool:
        """Whether a message was sent where nobody needs to mention the bot."""
        return self._addressing.is_open(message.channel)

    def may_read(self, message: discord.Message) -> bool:
        """Whether Discord shows the bot the text of a message."""
        return (
            self._client.intents.message_content
            or isinstance(message.channel, discord.DMChannel)
            or bool(message.content)
            or message.author.id == self.bot_user_id
            or any(user.id == self.bot_user_id for user in message.mentions)
        )

    @property
    def bot_user_id(self) -> int:
        """The id of the bot's own account."""
        assert self._client.user is not None  # set at the login, before any event
        return self._client.user.id

    def _may_ask_again(self, message: discord.Message) -> bool:
        """Whether a message replies to one that may itself be what is asked. What the bot says is no question."""
        return is_reply(message) and not self._replies_to_bot(message)

    def _replies_to_bot(self, message: discord.Message) -> bool:
        """Whether a message replies to one of the bot, even with the mention switched off."""
        if message.reference is None or not is_reply(message):
            return False
        replied = message.reference.resolved
        return isinstance(replied, discord.Message) and replied.author.id == self.bot_user_id

    def _quoted(self, found: FoundMessage, what: str) -> tuple[MessageContent, list[str]]:
        """What a quoted message says, and the lines about what keeps the bot from reading it."""
        if found.message is not None:
            content = content_of(found.message, self.bot_user_id)
            if found.message.author.id == self.bot_user_id and lines.GREETING in content.words:
                return _NOTHING, []  # members reply to it with the question that it asks for
            if content.unseen != (WHOLE_MESSAGE,):
                return content, []
            line = lines.UNREADABLE if self.may_read(found.message) else lines.HIDDEN
            return content, [line.format(what)]
        if found.is_deleted:
            return _NOTHING_SHOWN, [lines.DELETED.format(what)]
        if found.is_unreadable:
            return _NOTHING_SHOWN, [lines.UNREADABLE.format(what)]
        return _NOTHING, []

    async def _earlier_quotes(
        self, quoted: discord.Message, remarks: list[str], largest_files: int, is_held: IsHeld
    ) -> list[Quote]:
        messages = await self._finder.before(quoted, is_held)
        read = await read_files([each for message in messages for each in attachments_of(message)], largest_files)
        remarks += read.remarks
        files, quotes = iter(read.files), list[Quote]()
        hidden = [lines.HIDDEN.format(what) for what in (lines.REPLIED_TO, lines.EARLIER)]
        for message in messages:
            said, _ = self._quoted(FoundMessage(message), lines.EARLIER)
            remarks += lines.about_unseen(said.unseen)
            if not self.may_read(message) and not any(line in remarks for line in hidden):
                remarks.append(lines.HIDDEN.format(lines.EARLIER))
            its_files = tuple(islice(files, len(attachments_of(message))))
            if said.text or its_files:
                author = message.author
                quotes.append(Quote(message.id, author.id, author.display_name, said.text, its_files, Relation.EARLIER))
        return quotes

    async def _thread_starter(self, message: Asking, remarks: list[str]) -> Quote | None:
        """The message that a message's thread grew from."""
        found = await self._finder.thread_starter(message)
        said, more = self._quoted(found, lines.STARTER)
        read = await read_files(attachments_of(found.message) if found.message else (), self._largest_files)
        remarks += [*read.remarks, *lines.about_unseen(said.unseen), *more]
        return _quote(message.channel.id, found, said, read.files)


def _quote(message_id: int | None, found: FoundMessage, said: MessageContent, files: Sequence[File]) -> Quote | None:
    """The quote of a message; None if there is nothing to quote."""
    if message_id is None or not (said.text or files):
        return None
    if found.message is None:
        return Quote(message_id, 0, "somebody", said.text)
    author = found.message.author
    return Quote(found.message.id, author.id, author.display_name, said.text, tuple(files))


def _part(message: discord.Message, said: MessageContent, files: tuple[File, ...]) -> Quote:
    """An earlier message of the same question."""
    author = message.author
    return Quote(message.id, author.id, author.display_name, said.text, files, Relation.PART)


def _is_readable(content: MessageContent, files: Sequence[File]) -> bool:
    return bool(content.words) or any(isinstance(file, TextFile) for file in files)
