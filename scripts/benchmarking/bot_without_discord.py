"""The bot's core and storage without Discord: the path from a message to the last edit of its answer."""

from __future__ import annotations

import itertools

from benchmarking.text import SYSTEM_PROMPT
from bot.answering.answer import Answer
from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Question, UserMessage
from bot.metrics.port import NO_METRICS, AnswerMetrics
from bot.storage.storage import Storage

_MOST_WAITING = 256


class BotWithoutDiscord:
    """Accepts, answers and delivers questions, with the same writes in the same order as the bot.

    Args:
        first_id: the id of the first message; the next ones follow.
        most_running: the questions answered at once; the others wait in the queue.

    Attributes:
        conversations: nothing of them is in memory yet.
    """

    def __init__(
        self,
        storage: Storage,
        model: ServedModel,
        *,
        first_id: int = 1,
        most_running: int = 1,
        metrics: AnswerMetrics = NO_METRICS,
    ) -> None:
        queue = QuestionQueue(
            most_running=most_running, most_waiting=_MOST_WAITING, most_waiting_per_person=_MOST_WAITING
        )
        self.conversations = Conversations(storage.conversations, SYSTEM_PROMPT)
        self._answering = AnswerService(model, self.conversations, queue, metrics)
        self._work = storage.work
        self._message_ids = itertools.count(first_id)

    async def ask(self, key: ConversationKey, asked: UserMessage) -> Answer:
        """Ask in a conversation and wait until the whole answer is delivered, in one message."""
        question = Question(next(self._message_ids), key, asked)
        answer = self._answering.ask(question)
        await self._work.accept(question.id, key, asked.author_id)
        reply_id = None
        async for text in answer.texts():
            if reply_id is None and text.strip():
                reply_id = next(self._message_ids)
                self.conversations.replied(question.id, reply_id)
                await self._work.replied(question.id, 0, reply_id)
        await self._work.delivered(question.id)
        return answer
