"""Makes the editors of all replies."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.conversation.conversations import Conversations
from bot.conversation.store import WorkStore
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.stop_button import stop_view
from bot.discord_client.rest.pace import RequestPace


class ReplyEditors:
    """Makes editors that share one pace and record which messages show an answer.

    Args:
        client: the connected client.
        pace: decides when a request starts.
        conversations: learn which messages show an answer.
        work: keeps them.
        max_messages: upper bound for the messages of one reply.
    """

    def __init__(
        self,
        client: discord.Client,
        pace: RequestPace,
        conversations: Conversations,
        work: WorkStore,
        max_messages: int,
    ) -> None:
        self._client = client
        self._pace = pace
        self._conversations = conversations
        self._work = work
        self._max_messages = max_messages

    def editor(
        self, question: discord.Message, sent: Sequence[discord.Message] = (), *, max_messages: int | None = None
    ) -> ReplyEditor:
        """An editor for the reply to a message.

        Args:
            question: the message to reply to.
            sent: messages that show a part of the reply already.
            max_messages: upper bound for the messages of this reply.
        """
        assert self._client.user is not None  # set at the login, before any event
        return ReplyEditor(
            question,
            self._pace,
            self._client.user.id,
            max_messages=max_messages or self._max_messages,
            make_view=lambda: stop_view(question.id),
            record=_ReplyRecord(self._conversations, self._work, question.id),
            sent=sent,
        )


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
