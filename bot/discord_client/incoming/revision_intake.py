"""From a click below an answer to its revised version: ticket first, then the record for recovery, then the answer."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import discord

from bot.answering.recovery import MessageGoneError, UnreachableError
from bot.answering.revised_answer import RevisedAnswer
from bot.answering.service import AnswerService, PendingQuestion
from bot.conversation.store import UnfinishedQuestion, WorkStore
from bot.conversation.turn import Question, Task
from bot.discord_client.incoming.intake import QuestionIntake, log_taken
from bot.discord_client.replies.revision_delivery import RevisionDelivery
from bot.discord_client.replies.shown_answer import ShownAnswer, ShownAnswers
from bot.errors import DatabaseOutageError
from bot.log_context import about_question


class RevisionIntake:
    """Revises answers.

    Args:
        answering: turns questions into answers.
        intake: knows which questions were taken.
        shown: finds the messages of answers.
        delivery: shows revised answers.
        work: keeps what was accepted.
    """

    def __init__(
        self,
        answering: AnswerService,
        intake: QuestionIntake,
        shown: ShownAnswers,
        delivery: RevisionDelivery,
        work: WorkStore,
    ) -> None:
        self._answering = answering
        self._intake = intake
        self._shown = shown
        self._delivery = delivery
        self._work = work

    def take(self, shown: ShownAnswer, task: Task, *, accepted_before: bool = False) -> Coroutine[Any, Any, None]:
        """Take a ticket in the asker's name before anything is awaited.

        Args:
            shown: is revised.
            task: how.
            accepted_before: it was accepted before a restart, so no limit of the queue applies.

        Returns:
            the rest of the work, to be awaited by the caller.

        Raises:
            QueueFullError, QueueClosedError: it was not taken. The text is for the member.
        """
        pending = self._answering.admit(shown.turn.key, shown.asker_id, accepted_before=accepted_before)
        source = "recovery" if accepted_before else task.value
        log_taken(shown.turn.id, shown.turn.key, pending, source)
        self._intake.claim(shown.turn.id)  # so that recovery after a lost connection leaves it alone
        return self._revise(shown, task, pending)

    async def resume(self, question: UnfinishedQuestion, channel: discord.abc.Messageable) -> Coroutine[Any, Any, None]:
        """Take a ticket again for a revision that a restart interrupted, or show what came of it.

        Returns:
            the rest of the work, to be awaited by the caller.

        Raises:
            MessageGoneError: nothing of the answer is left.
            UnreachableError: it cannot be read.
        """
        try:
            turn = await self._answering.conversations.turn(question.message_id)
            shown = None if turn is None else await self._shown.find(turn, channel)
        except DatabaseOutageError as error:
            raise UnreachableError(str(error), is_passing=True) from error
        if shown is None:
            raise MessageGoneError(f"nothing is left of the answer to message {question.message_id}")
        if question.outcome is None:
            return self.take(shown, question.task, accepted_before=True)
        self._intake.claim(question.message_id)
        return self._delivery.show(shown)

    async def _revise(self, shown: ShownAnswer, task: Task, pending: PendingQuestion) -> None:
        turn = shown.turn
        assert turn.asked is not None  # of every shown answer
        with about_question(turn.id), pending:
            await self._work.accept(turn.id, turn.key, shown.asker_id, task=task)
            answer = pending.ask(Question(turn.id, turn.key, turn.asked, task=task))
            assert isinstance(answer, RevisedAnswer)  # by its task
            await self._delivery.deliver(shown, answer)
