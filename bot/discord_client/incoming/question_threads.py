"""Opens a thread for a question, where the channel's mode wants one."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import Any

import discord

from bot.conversation.turn import ConversationKey
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.incoming.asked_interaction import AskedInteraction, Asking
from bot.discord_client.incoming.thread_names import name_of_question
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.permissions import CREATE_PUBLIC_THREADS, thread_permissions_lacking
from bot.discord_client.rest.refusal import Refusal, refusal_of
from bot.discord_client.rest.retry import pauses
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency

logger = logging.getLogger(__name__)

_HAS_THREAD = 160004
_TOO_MANY_THREADS = frozenset({160006, 160007})
_TAKEN = "Your message already has a thread, so I answer here."
_TOO_MANY = "This server has too many open threads, so I answer here. Ask a moderator to close some."
_BLOCKED_NAME = "The server's rules do not let me name a thread after your question, so I answer here."
_REFUSED = "Discord does not let me open a thread, so I answer here."


@dataclass(frozen=True, slots=True)
class AnswerPlace:
    """Where a question is answered.

    Attributes:
        question: what asked, as if it had been sent there.
        remark: why that is not a thread, in a line for the asker; "" if nothing kept the bot from opening one.
    """

    question: Asking
    remark: str = ""


class QuestionThreads:
    """Knows where questions are answered: in their channel, or in a thread that grows from their message.

    A thread has the id of the message that it grows from, so the conversation is known before the thread is there, and
    Discord opens only one. What a restart interrupts therefore goes on in the same thread. Interactions are answered
    where they were used.

    Args:
        client: the connected client.
        scopes: maps channels to conversations.
        addressing: knows which channels have threads for questions.
        pace: decides when a request starts.
        reports: tell members what the bot lacks.
    """

    def __init__(
        self,
        client: discord.Client,
        scopes: ChannelScopes,
        addressing: Addressing,
        pace: RequestPace,
        reports: RefusalReports,
    ) -> None:
        self._client = client
        self._scopes = scopes
        self._addressing = addressing
        self._pace = pace
        self._reports = reports

    def key(self, message: Asking) -> ConversationKey:
        """The conversation of a message or an interaction that asks now."""
        if isinstance(message, AskedInteraction):
            return message.key
        channel = message.channel
        has_thread = self._own_thread(message) is not None
        if has_thread or (self._addressing.opens_thread(channel) and not thread_permissions_lacking(channel)):
            return self._scopes.key(discord.Object(message.id), message.author.id)
        return self._scopes.key(channel, message.author.id)

    def now(self, message: discord.Message) -> discord.Message:
        """A message as if it had been sent where its answer is, as far as there is a place yet."""
        thread = self._own_thread(message)
        return message if thread is None else _moved(message, thread)

    async def open(self, message: Asking) -> AnswerPlace:
        """Open the thread of a question; wait until Discord does it or refuses it for good."""
        if isinstance(message, AskedInteraction):
            return AnswerPlace(message)
        thread = self._own_thread(message)
        if thread is None and not self._addressing.opens_thread(message.channel):
            return AnswerPlace(message)
        if thread is None and (lacking := thread_permissions_lacking(message.channel)):
            return AnswerPlace(message, self._reports.line_below_answer(message, lacking[0]))
        waits = pauses()
        while thread is None:
            found = await self._try_to_open(message)
            if isinstance(found, discord.Thread):
                thread = found
            elif found.is_passing:
                await self._pace.pause(next(waits))
            else:
                logger.warning("No thread for a question: message_id=%d cause=%s", message.id, found.reason)
                return AnswerPlace(message, self._remark(message, found))
        self._scopes.note(thread)  # the gateway announces it, perhaps later than the answer begins
        return AnswerPlace(_moved(message, thread))

    async def _try_to_open(self, message: discord.Message) -> discord.Thread | Refusal:
        name = name_of_question(message, self.own_id)
        async with self._pace.slot(Action.SEND, message.channel.id, Urgency.FIRST_TEXT) as slot:
            try:
                async with request_time_limit():
                    return await message.create_thread(name=name)
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
        return await self._opened_before(message, refusal) if refusal.code == _HAS_THREAD else refusal

    async def _opened_before(self, message: discord.Message, has_thread: Refusal) -> discord.Thread | Refusal:
        """The thread that an earlier try has opened, whose response was lost."""
        async with self._pace.slot(Action.READ, message.channel.id, Urgency.FIRST_TEXT) as slot:
            try:
                async with request_time_limit():
                    thread = await message.fetch_thread()
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
                return refusal
        return thread if thread.owner_id == self.own_id else has_thread

    def _remark(self, message: discord.Message, refusal: Refusal) -> str:
        if refusal.is_gone:
            return ""  # the question was deleted
        if refusal.of_permission or refusal.of_access:
            lacking = [*thread_permissions_lacking(message.channel), CREATE_PUBLIC_THREADS]
            return self._reports.line_below_answer(message, lacking[0])
        if refusal.code in _TOO_MANY_THREADS:
            return _TOO_MANY
        if refusal.code == _HAS_THREAD:
            return _TAKEN
        return _BLOCKED_NAME if refusal.of_content else _REFUSED

    def _own_thread(self, message: discord.Message) -> discord.Thread | None:
        """The thread that the bot has opened from a message, as far as the client knows."""
        thread = message.thread
        return thread if thread is not None and self.is_own(thread) else None

    def known(self, message: discord.Message | discord.PartialMessage) -> Any:
        """The channel of a message as the client knows it now."""
        return self._client.get_channel(message.channel.id) or message.channel

    def is_own(self, channel: Any) -> bool:
        """Whether a channel is a thread that the bot has opened."""
        return isinstance(channel, discord.Thread) and channel.owner_id == self.own_id

    @property
    def own_id(self) -> int:
        """The id of the bot's own account."""
        assert self._client.user is not None  # set at the login, before any event
        return self._client.user.id


def _moved(message: discord.Message, thread: discord.Thread) -> discord.Message:
    moved = copy.copy(message)
    moved.channel = thread
    return moved
