"""Answers questions with the model that is served at the moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from weakref import WeakSet

from bot.answering.answer import Answer
from bot.answering.prefill_time import PrefillTimes
from bot.answering.queue import QuestionQueue, QueueClosedError, QueueFullError, Ticket
from bot.answering.revised_answer import RevisedAnswer
from bot.answering.served_model import ServedModel
from bot.answering.throughput import Throughput
from bot.answering.waiting_time import WaitingTimes
from bot.conversation.changes import TurnChange
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Question, Task, Turn
from bot.metrics.port import NO_METRICS, AnswerMetrics
from bot.prompting.prompt import Message

logger = logging.getLogger(__name__)

_NEAR_POSITION = 1
"""Farther back in the queue, what is loaded for a question may be evicted before its turn."""


class PendingQuestion:
    """A question that has its ticket while its files and quotes are still being read.

    As a context manager it gives the ticket back at the end.
    """

    def __init__(self, answering: AnswerService, ticket: Ticket) -> None:
        self._answering = answering
        self._ticket = ticket
        self._changes: list[TurnChange] = []

    @property
    def position(self) -> int:
        """As `Ticket.position`."""
        return self._ticket.position

    def change(self, change: TurnChange) -> bool:
        """Keep an edit or a deletion for the question, whose text may have been read before it; no engine has it."""
        self._changes.append(change)
        return False

    def is_gone(self, question: Question) -> bool:
        """Whether a change since has left nothing of the question."""
        turn = Turn(question.id, question.key, None, question.id, 0, question.asked, Message("assistant", ""))
        for change in self._changes:
            turn = change(turn)
        return turn.asked is None or turn.asked.asks_nothing

    def ask(self, question: Question) -> Answer:
        """Ask the complete question; `Answer.texts` must be run, and waits for the ticket's turn."""
        kind = Answer if question.task is Task.ANSWER else RevisedAnswer
        answer = kind(self._answering, question, self._ticket)
        for change in self._changes:
            answer.change(change)
        self._answering.follow_changes(answer)
        return answer

    def __enter__(self) -> PendingQuestion:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ticket.leave()


class AnswerService:
    """Answers questions: conversation, prompt, engine, text.

    Args:
        model: answers from the start on; `adopt` replaces it at any time.
        conversations: what was said before.
        queue: decides whose question runs next.
        metrics: counts what happens.
    """

    def __init__(
        self,
        model: ServedModel,
        conversations: Conversations,
        queue: QuestionQueue,
        metrics: AnswerMetrics = NO_METRICS,
    ) -> None:
        self._model = model
        self.conversations = conversations
        self.queue = queue
        self.metrics = metrics
        self.metrics.watch_queue(lambda: queue.running, lambda: queue.waiting)
        self.throughput = Throughput()
        self.waiting_times = WaitingTimes(queue)
        self.prefill_times = PrefillTimes()
        self._followers: WeakSet[PendingQuestion | Answer] = WeakSet()
        self._listener: Callable[[ConversationKey], None] = lambda _: None
        conversations.listen(self._follow)

    @property
    def model(self) -> ServedModel:
        """The model for the next question. An engine that restarted with less memory has shortened its context."""
        model = self._model.within_engine()
        if model is not self._model:
            logger.warning("Context shortened with the engine's: tokens=%d", model.budget.context_length)
            self._model = model
        return model

    def adopt(self, model: ServedModel) -> None:
        """Answer with another model from the next question on. Running answers end with the model they began with."""
        self._model = model
        self.throughput = Throughput()
        self.waiting_times.forget()
        self.prefill_times.forget()

    def admit(self, key: ConversationKey, author_id: int, *, accepted_before: bool = False) -> PendingQuestion:
        """Take a ticket for a question that is still to be read.

        Args:
            key: the conversation it belongs to.
            author_id: who asks it.
            accepted_before: it had a ticket before a restart, so no limit of the queue applies.

        Raises:
            QueueFullError: too many questions wait. The message is for the member.
            QueueClosedError: the bot is shutting down. The message is for the member.
        """
        try:
            ticket = self.queue.join(key, author_id, ignore_limits=accepted_before)
        except QueueFullError as error:
            self.metrics.answer_refused("person's queue full" if error.per_person else "queue full")
            raise
        except QueueClosedError:
            self.metrics.answer_refused("being ended")
            raise
        pending = PendingQuestion(self, ticket)
        self.follow_changes(pending)
        self.note_position(key, ticket.position)
        return pending

    def ask(self, question: Question, *, accepted_before: bool = False) -> Answer:
        """Take a ticket for a complete question and ask it; see `admit` and `PendingQuestion.ask`."""
        return self.admit(question.key, question.asked.author_id, accepted_before=accepted_before).ask(question)

    def listen(self, listener: Callable[[ConversationKey], None]) -> None:
        """Call a listener with the conversation of each question that is about to start."""
        self._listener = listener

    def note_position(self, key: ConversationKey, position: int) -> None:
        """Note how near a conversation's question is to its start."""
        if position <= _NEAR_POSITION:
            self._listener(key)

    def follow_changes(self, follower: PendingQuestion | Answer) -> None:
        """Pass every edit and deletion on to a question, until nothing else refers to it."""
        self._followers.add(follower)

    def _follow(self, change: TurnChange) -> bool:
        changed = [follower.change(change) for follower in tuple(self._followers)]
        return any(changed)
