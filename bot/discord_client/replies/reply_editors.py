"""Makes the editors of all replies, and takes replies back whose question was deleted."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from weakref import WeakValueDictionary

import discord

from bot.conversation.conversations import Conversations
from bot.conversation.store import WorkStore
from bot.discord_client.incoming.asked_interaction import Asked, AskedInteraction
from bot.discord_client.incoming.question_header import header_of
from bot.discord_client.replies.channel_transport import ChannelTransport
from bot.discord_client.replies.interaction_transport import transport_for
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.reply_messages import ReplyMessages
from bot.discord_client.rest.pace import RequestPace

_MOST_DELETED = 10_000


class ReplyEditors:
    """Makes editors that share one pace and record which messages show an answer.

    Args:
        client: the connected client.
        pace: decides when a request starts.
        conversations: learn which messages show an answer, and which were deleted.
        work: keeps the messages that show an answer.
        reports: tell members what the bot lacks.
        max_messages: upper bound for the messages of one reply.
        ping_after_seconds: a first text that comes later than this after its question notifies the asker; 0 is never.
    """

    def __init__(
        self,
        client: discord.Client,
        pace: RequestPace,
        conversations: Conversations,
        work: WorkStore,
        reports: RefusalReports,
        *,
        max_messages: int,
        ping_after_seconds: float = 0.0,
    ) -> None:
        self._client = client
        self._pace = pace
        self._conversations = conversations
        self._work = work
        self._reports = reports
        self._max_messages = max_messages
        self._ping_after_seconds = ping_after_seconds or math.inf
        self._by_question: WeakValueDictionary[int, ReplyEditor] = WeakValueDictionary()
        self._deleted: OrderedDict[int, None] = OrderedDict()  # ids of messages

    def editor(
        self,
        question: Asked,
        sent: Sequence[discord.Message] = (),
        *,
        max_messages: int | None = None,
        pings: bool = False,
        is_shared: bool = False,
        header: str = "",
    ) -> ReplyEditor:
        """An editor for the reply to a question.

        Args:
            question: the message or the interaction.
            sent: messages that show a part of the reply already.
            max_messages: upper bound for the messages of this reply.
            pings: whether a late first text notifies the asker.
            is_shared: whether the reply is for others too, so that it stays when the message is deleted.
            header: a line above the answer to a message; an interaction has its own.
        """
        assert self._client.user is not None  # set at the login, before any event
        bot_user_id = self._client.user.id
        if isinstance(question, AskedInteraction):
            transport, header = transport_for(question, self._client), header_of(question, bot_user_id)
            pings = pings and question.is_open
        else:
            transport = ChannelTransport(question, bot_user_id)
        record = _ReplyRecord(self._conversations, self._work, question.id)
        waited = (discord.utils.utcnow() - question.created_at).total_seconds()
        editor = ReplyEditor(
            question,
            self._pace,
            ReplyMessages(question.id, transport, record, sent),
            max_messages=max_messages or self._max_messages,
            reports=self._reports,
            header=header,
            ping_at=time.monotonic() - waited + self._ping_after_seconds if pings else math.inf,
        )
        if not is_shared:
            self._by_question[question.id] = editor
            if question.id in self._deleted:
                editor.take_back()
        return editor

    def was_deleted(self, message_id: int) -> bool:
        """Whether a message was deleted lately."""
        return message_id in self._deleted

    async def messages_deleted(self, message_ids: Collection[int]) -> None:
        """Take back what concerns deleted messages, also replies that would begin later."""
        self._deleted.update(dict.fromkeys(message_ids))
        while len(self._deleted) > _MOST_DELETED:
            self._deleted.popitem(last=False)
        await self.take_back(message_ids)

    async def take_back(self, message_ids: Collection[int]) -> None:
        """Take back the replies that grow for these messages or include one of them, and forget their turns."""
        for message_id in message_ids:
            editor = self._by_question.get(self._conversations.question_of(message_id))
            if editor is not None:
                editor.take_back()
        await self._conversations.erase(message_ids)


class _ReplyRecord:
    """Records which messages show the answer to a question."""

    def __init__(self, conversations: Conversations, work: WorkStore, question_id: int) -> None:
        self._conversations = conversations
        self._work = work
        self._question_id = question_id

    async def sent(self, position: int, message_id: int) -> None:
        self._conversations.replied(self._question_id, message_id)
        await self._work.replied(self._question_id, position, message_id)

    async def about_to_delete(self, message_id: int) -> None:
        self._conversations.reply_deleted(message_id)
        await self._work.reply_deleted(message_id)
