"""Answers questions with the model that is served at the moment."""

from __future__ import annotations

from weakref import WeakSet

from bot.answering.answer import Answer
from bot.answering.queue import QuestionQueue, QueueClosedError, QueueFullError
from bot.answering.served_model import ServedModel
from bot.answering.throughput import Throughput
from bot.conversation.changes import TurnChange
from bot.conversation.conversations import Conversations
from bot.conversation.turn import Question
from bot.metrics.prometheus import PrometheusMetrics


class AnswerService:
    """Answers questions: conversation, prompt, engine, text.

    Args:
        model: what answers; another may take its place at any time, with `adopt`.
        conversations: what was said before.
        queue: whose question runs next.
        metrics: counts what happens.
    """

    def __init__(
        self,
        model: ServedModel,
        conversations: Conversations,
        queue: QuestionQueue,
        metrics: PrometheusMetrics | None = None,
    ) -> None:
        self.model = model
        self.conversations = conversations
        self.queue = queue
        self.metrics = metrics or PrometheusMetrics()
        self.metrics.watch_queue(lambda: queue.running, lambda: queue.waiting)
        self.throughput = Throughput()
        self._answers: WeakSet[Answer] = WeakSet()
        conversations.listen(self._follow)

    def adopt(self, model: ServedModel) -> None:
        """Answer with another model from the next question on. Answers on their way end with the one they have."""
        self.model = model
        self.throughput = Throughput()

    def ask(self, question: Question, *, accepted_before: bool = False) -> Answer:
        """Take a ticket for a question; `Answer.texts` must be run, and waits for its turn.

        Args:
            question: the question.
            accepted_before: it had a ticket before a restart, and gets one again however many wait.

        Raises:
            QueueFullError: too many wait. The message is for the person.
            QueueClosedError: the bot is being ended. The message is for the person.
        """
        try:
            ticket = self.queue.join(question.key, question.asked.author_id, ignore_limits=accepted_before)
        except QueueFullError as error:
            self.metrics.answer_refused("person's queue full" if error.per_person else "queue full")
            raise
        except QueueClosedError:
            self.metrics.answer_refused("being ended")
            raise
        answer = Answer(self, question, ticket)
        self._answers.add(answer)
        return answer

    def _follow(self, change: TurnChange) -> None:
        for answer in tuple(self._answers):
            answer.change(change)
