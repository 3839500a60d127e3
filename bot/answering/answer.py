"""Turns a question into the growing text of its answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from bot.answering.queue import QueueClosedError, Ticket, TicketLeftError, WaitsFor
from bot.answering.served_model import ServedModel
from bot.answering.throughput import Throughput
from bot.conversation.changes import MessageChanges, TurnChange
from bot.conversation.conversations import Conversations
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import Question, Turn, UserMessage
from bot.engine.interface import FinishReason, Generation, Outcome
from bot.metrics.port import AnswerMetrics
from bot.prompting.detokenizer import Detokenizer
from bot.prompting.prompt import Message, Prompt

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShortenedQuestion:
    """The size of a question that was too long to be read whole.

    Attributes:
        tokens: what its prompt alone would have taken.
        limit: the most that a prompt may take.
    """

    tokens: int
    limit: int


class _Answering(Protocol):
    """What all answers share; `bot.answering.service.AnswerService` has it."""

    conversations: Conversations
    metrics: AnswerMetrics
    model: ServedModel
    throughput: Throughput


class Answer:
    """The answer to one question: `texts` yields it as it grows, `outcome` says how it ended.

    Attributes:
        text: the answer so far.
        outcome: None until it ends.
        shortened: set if the question was too long to be read whole.
    """

    def __init__(self, answering: _Answering, question: Question, ticket: Ticket) -> None:
        self._answering = answering
        self._question = question
        self._ticket = ticket
        self._generation: Generation | None = None
        self._stopped = False
        self._taken_back = False
        self._suspended = False
        self._changes_meanwhile: list[TurnChange] | None = None
        self.text = ""
        self.outcome: Outcome | None = None
        self.shortened: ShortenedQuestion | None = None

    @property
    def question(self) -> Question:
        """The question, with the changes that its messages went through since."""
        return self._question

    @property
    def suspended(self) -> bool:
        """Whether it was broken off so that a restart generates it again; memory then keeps nothing of it."""
        return self._suspended

    @property
    def waits_for(self) -> WaitsFor:
        """What must happen before it begins."""
        return self._ticket.waits_for

    def change(self, change: TurnChange) -> None:
        """Follow an edit or a deletion: the question changes, or is taken back.

        A running answer continues after an edit; memory keeps the edited question.
        """
        question = self._question
        if self.outcome is not None:
            return
        if self._changes_meanwhile is not None:
            self._changes_meanwhile.append(change)
        if isinstance(change, MessageChanges) and not change.concern(question.id, question.asked):
            return
        unanswered = Message("assistant", "")
        turn = change(Turn(question.id, question.key, None, question.id, 0, question.asked, unanswered))
        if turn.asked is None:
            self.take_back()
        elif turn.asked != question.asked:
            self._question = replace(question, asked=turn.asked)

    def stop(self) -> None:
        """End it early; memory keeps what was generated so far."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()
        else:
            self._ticket.leave()

    def take_back(self) -> None:
        """End it because its question is gone; memory keeps nothing of it."""
        self._taken_back = True
        self.stop()

    def suspend(self) -> None:
        """Break it off, so that a restart generates it again."""
        if self.outcome is None:
            self._suspended = True
            self.stop()

    async def texts(self, on_position: Callable[[int], None] = lambda _: None) -> AsyncGenerator[str, None]:
        """Wait for the ticket, run the question, and yield the whole text so far each time it grows.

        Args:
            on_position: called with the question's position in the queue, at once and after each change; at last with
                0, when its generation begins.
        """
        with self._ticket:
            try:
                async for position in self._ticket.positions():
                    on_position(position)
            except TicketLeftError:
                self._end_unanswered(FinishReason.CANCELLED)
            except QueueClosedError as error:
                self._suspended = True
                self._end_unanswered(FinishReason.FAILED, str(error))
            else:
                on_position(0)
                self._answering.metrics.answer_began(self._ticket.waited_seconds)
                async with aclosing(self._generate()) as texts:
                    async for text in texts:
                        yield text

    async def _generate(self) -> AsyncGenerator[str, None]:
        conversations = self._answering.conversations
        opened = await conversations.begin(self._question)
        question, turn = self._question, None
        try:
            question = await self._settle_quote(opened)
            model = self._answering.model
            fitted = await asyncio.to_thread(model.window.fit, opened.system_prompt, opened.branch, question.asked)
            limit = model.budget.prompt_limit
            self.shortened = ShortenedQuestion(fitted.asked_tokens, limit) if fitted.asked_tokens > limit else None
            if self._stopped:
                self._end_unanswered(FinishReason.CANCELLED)
                return
            detokenizer = Detokenizer(model.builder.tokenizer.decode)
            try:
                async with aclosing(self._stream(model, fitted.prompt, detokenizer)) as texts:
                    async for text in texts:
                        yield text
            finally:
                if self.text.strip() and not self._suspended and not self._taken_back:
                    answer = model.builder.answer(self.text, detokenizer.ids)
                    turn = opened.turn(self._asked_as(question, fitted.asked), fitted.branch, answer)
        finally:
            await conversations.end(opened, question, None if self._suspended else self.outcome, turn)
            if turn is not None:
                await self._note_cached(opened, model)

    async def _settle_quote(self, opened: OpenConversation) -> Question:
        """Quote what the question is about, unless the conversation holds it: a message, or where the thread began."""
        quote, thread_starter = self._question.asked.quote, self._question.thread_starter
        self._changes_meanwhile = []
        if quote is not None and _holds(opened, quote.message_id):
            quote = None
        elif thread_starter is not None and not opened.branch and not opened.resets:
            quote = await thread_starter()
        changes, self._changes_meanwhile = self._changes_meanwhile, None
        self._question = replace(self._question, asked=replace(self._question.asked, quote=quote))
        for change in changes:  # the quote may have been read before them
            self.change(change)
        return self._question

    async def _stream(self, model: ServedModel, prompt: Prompt, detokenizer: Detokenizer) -> AsyncGenerator[str, None]:
        answering = self._answering
        self._generation = model.engine.submit(model.request(prompt.ids))
        first_token_at = 0.0
        try:
            async for ids in self._generation:
                if not detokenizer.ids:
                    first_token_at = time.monotonic()
                    answering.metrics.first_token(first_token_at - self._ticket.joined_at)
                answering.throughput.add(len(ids))
                self.text = detokenizer.add(ids)
                yield self.text
        finally:
            self._generation.cancel()
            self.text = detokenizer.finish()
            self.outcome = self._generation.outcome or Outcome(FinishReason.CANCELLED)
            seconds = time.monotonic() - first_token_at if detokenizer.ids else 0.0
            answering.metrics.answer_ended(self.outcome.reason, len(detokenizer.ids), seconds)
            self._log_end(self.outcome, len(detokenizer.ids), seconds)

    def _log_end(self, outcome: Outcome, tokens: int, seconds: float) -> None:
        logger.info(
            "Generated: message=%d outcome=%s tokens=%d waited_seconds=%.2f seconds=%.2f",
            self._question.id,
            outcome.reason,
            tokens,
            self._ticket.waited_seconds,
            seconds,
        )
        if outcome.detail:
            logger.warning(
                "Generation failed: message=%d outcome=%s detail=%s", self._question.id, outcome.reason, outcome.detail
            )

    def _asked_as(self, generated_for: Question, seen: UserMessage) -> Question:
        """The question for memory: as the model saw it, or as it was edited since."""
        return replace(generated_for, asked=seen) if self._question is generated_for else self._question

    def _end_unanswered(self, reason: FinishReason, detail: str = "") -> None:
        self.outcome = Outcome(reason, detail)
        self._answering.metrics.answer_ended(reason, tokens=0, seconds=0.0)

    async def _note_cached(self, opened: OpenConversation, model: ServedModel) -> None:
        # A model that has taken over since does not know the conversation, and a branch that is about to be trimmed
        # needs a new prefill.
        conversation = opened.conversation
        branch = conversation.branch(conversation.tip_id)
        full = await asyncio.to_thread(model.window.is_nearly_full, opened.system_prompt, branch)
        cached = model is self._answering.model and not full
        conversation.cached_by = model.cache_owner if cached else None


def _holds(opened: OpenConversation, message_id: int) -> bool:
    """Whether the branch that a question continues contains the turn of a message."""
    return any(turn.id == message_id and turn.asked is not None for turn in opened.branch)
