"""An answer as Discord shows it, and the messages that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.answering.recovery import UnreachableError
from bot.conversation.conversations import Conversations
from bot.conversation.turn import AnswerVersion, Turn
from bot.discord_client.incoming.question_header import header_in
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import refusal_of
from bot.discord_client.rest.time_limit import request_time_limit
from bot.discord_client.rest.urgency import Action, Urgency


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """A finished answer, in the version that is shown.

    Attributes:
        question: what asked; for an interaction, a message that does not exist, with the interaction's id.
        turn: is not erased.
        asker_id: who asked.
        version: the shown one.
        versions: how many there are.
        sent: the messages of the reply.
        is_outdated: whether the question was edited since it was answered.
    """

    question: discord.PartialMessage
    turn: Turn
    asker_id: int
    version: AnswerVersion
    versions: int
    sent: Sequence[discord.Message]
    is_outdated: bool = False

    @property
    def text(self) -> str:
        """Of the shown version."""
        return self.version.answer.content

    @property
    def header(self) -> str:
        """The line above the answer to an interaction, which names its question; "" for a message."""
        first = self.sent[0]
        return header_in(first.content) if first.reference is None else ""


class ShownAnswers:
    """Finds the messages that show an answer.

    Args:
        conversations: know which messages those are.
        pace: decides when a request starts.
    """

    def __init__(self, conversations: Conversations, pace: RequestPace) -> None:
        self._conversations = conversations
        self._pace = pace

    async def find(
        self,
        turn: Turn,
        channel: discord.abc.Messageable,
        at_hand: Sequence[discord.Message] = (),
        *,
        is_outdated: bool = False,
    ) -> ShownAnswer | None:
        """The answer of a turn; None if nothing of it is left.

        Args:
            at_hand: messages of the reply that need not be read.
            is_outdated: whether the question was edited since it was answered.

        Raises:
            DatabaseOutageError: the database cannot be read.
            UnreachableError: Discord does not show the messages.
        """
        versions = await self._conversations.versions.of(turn.id)
        version = next((version for version in versions if version.number == turn.version), None)
        if version is None or turn.asked is None:
            return None
        sent = await self._sent(turn, channel, at_hand)
        if not sent:
            return None
        question = discord.PartialMessage(channel=channel, id=turn.id)  # type: ignore[arg-type]  # any channel
        return ShownAnswer(question, turn, turn.asked.author_id, version, len(versions), sent, is_outdated)

    async def _sent(
        self, turn: Turn, channel: discord.abc.Messageable, at_hand: Sequence[discord.Message]
    ) -> list[discord.Message]:
        known = {message.id: message for message in at_hand}
        sent = []
        for message_id in await self._conversations.versions.messages_of(turn.id):
            message = known.get(message_id) or await self._read(turn.key.channel_id, channel, message_id)
            if message is not None:
                sent.append(message)
        return sent

    async def _read(self, channel_id: int, channel: discord.abc.Messageable, message_id: int) -> discord.Message | None:
        async with self._pace.slot(Action.READ, channel_id, Urgency.NOTICE) as slot:
            try:
                async with request_time_limit():
                    return await channel.fetch_message(message_id)
            except discord.NotFound:
                return None
            except Exception as error:
                refusal = refusal_of(error)
                if refusal is None:
                    raise
                self._pace.failed(slot, refusal)
                raise UnreachableError(refusal.reason, is_passing=refusal.is_passing) from error
