"""Turns a question into the growing text of its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from bot.answering.answer_figures import AnswerFigures
from bot.answering.answer_text import AnswerText
from bot.answering.first_estimate import FirstEstimate
from bot.answering.generation_times import GenerationTimes, Measured
from bot.answering.prefill_time import Prefill
from bot.answering.queue import QueueClosedError, Ticket, TicketLeftError, WaitsFor
from bot.answering.repetition import RepetitionDetector
from bot.answering.served_model import ServedModel
from bot.answering.shortened_question import ShortenedQuestion
from bot.conversation.changes import MessageChanges, TurnChange
from bot.conversation.conversations import Conversations
from bot.conversation.quoting import begins_a_chain, held_by, quotes_beyond
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn, UserMessage
from bot.engine.interface import FinishReason, Generation, GenerationRequest, Outcome
from bot.prompting.prompt import Message

_REPEAT_SECONDS = 15.0  # a position that stays is shown again after so long, with a new estimate


class _Answering(Measured, Protocol):
    """What all answers share; `bot.answering.service.AnswerService` has it."""

    conversations: Conversations

    @property
    def model(self) -> ServedModel: ...

    def note_position(self, key: ConversationKey, position: int) -> None: ...


class Answer:
    """The answer to one question: `texts` yields it as it grows, `outcome` says how it ended.

    Attributes:
        text: the answer so far, without the thought before it.
        figures: what it took so far.
        outcome: None until it ends.
        shortened: set if the question was too long to be read whole.
    """

    def __init__(self, answering: _Answering, question: Question, ticket: Ticket) -> None:
        self._answering = answering
        self._question = question
        self._ticket = ticket
        self._generation: Generation | None = None
        self._on_prefill: Callable[[Prefill], None] = lambda _: None
        self._stopped = False
        self._taken_back = False
        self._suspended = False
        self._changes_meanwhile: list[TurnChange] | None = None
        self._generated: AnswerText | None = None
        self._seen: UserMessage | None = None
        self.text = ""
        self.figures = AnswerFigures(ticket.joined_at)
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
    def lost_repeated_message(self) -> bool:
        """Whether it ended because its question only repeated a message that is gone now."""
        return self._taken_back and self._question.asked.repeated is not None

    @property
    def is_outdated(self) -> bool:
        """Whether its question was edited after the model saw it."""
        return self._seen is not None and self._question.asked != self._seen

    @property
    def is_thinking(self) -> bool:
        """Whether the model is still in its thought, or the answer ended there."""
        return self._generated is not None and self._generated.is_thinking

    @property
    def thought(self) -> str:
        """What the model thought so far."""
        return self._generated.thought if self._generated is not None else ""

    @property
    def waits_for(self) -> WaitsFor:
        """What must happen before it begins."""
        return self._ticket.waits_for

    @property
    def seconds_to_start(self) -> float | None:
        """Estimate how long it still waits before it begins; None while too little is known."""
        return self._answering.waiting_times.seconds_to_start(self._ticket)

    def change(self, change: TurnChange) -> bool:
        """Follow an edit or a deletion: the question changes, or is taken back.

        A running answer continues after an edit; memory keeps the edited question.

        Returns:
            whether the question, which the engine may have, has changed.
        """
        question = self._question
        if self.outcome is not None:
            return False
        if self._changes_meanwhile is not None:
            self._changes_meanwhile.append(change)
        if isinstance(change, MessageChanges) and not change.concern(question.id, question.asked):
            return False
        unanswered = Message("assistant", "")
        turn = change(Turn(question.id, question.key, None, question.id, 0, question.asked, unanswered))
        if turn.asked is None or turn.asked.asks_nothing:
            self.take_back()
        elif turn.asked != question.asked:
            self._question = replace(question, asked=turn.asked)
        return turn.asked != question.asked

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

    async def texts(
        self,
        on_position: Callable[[int], None] = lambda _: None,
        on_prefill: Callable[[Prefill], None] = lambda _: None,
    ) -> AsyncGenerator[str, None]:
        """Wait for the ticket, run the question, and yield the whole text so far each time tokens arrive.

        It is "" while the model thinks. An answer that repeats itself loses the repeats at its end.

        Args:
            on_position: called with the question's position in the queue, at once, after each change, and now and then
                because `seconds_to_start` changes; at last with 0, when its generation begins.
            on_prefill: called when the engine begins to read for long before there is a text.
        """
        self._on_prefill = on_prefill
        estimate = FirstEstimate(self._answering.metrics.waiting_ended)
        with self._ticket:
            try:
                async for position in self._ticket.positions(_REPEAT_SECONDS):
                    self._answering.note_position(self._question.key, position)
                    estimate.add(self.seconds_to_start)
                    on_position(position)
            except TicketLeftError:
                self._end_unanswered(FinishReason.CANCELLED)
            except QueueClosedError as error:
                self._suspended = True
                self._end_unanswered(FinishReason.FAILED, str(error))
            else:
                on_position(0)
                self.figures.started_at = time.monotonic()
                estimate.happened()
                self._answering.metrics.answer_began(self._ticket.waited_seconds)
                with self._answering.waiting_times.running(self._ticket):
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
            self._seen = question.asked
            fitted = await asyncio.to_thread(model.window.fit, opened.system_prompt, opened.branch, question.asked)
            self._note_shortened(model, fitted.asked_tokens)
            if self._stopped:
                self._end_unanswered(FinishReason.CANCELLED)
                return
            sources = opened.system_sources + fitted.sources(question)
            request = model.request(fitted.prompt.ids, sources, opened.erasures, question.key)
            try:
                async with aclosing(self._stream(model, request)) as texts:
                    async for text in texts:
                        yield text
            finally:
                if self.text.strip() and not self._suspended and not self._taken_back:
                    assert self._generated is not None  # it has a text
                    answer = self._generated.message
                    turn = opened.turn(self._asked_as(question, fitted.asked), fitted.branch, answer)
        finally:
            await conversations.end(opened, question, None if self._suspended else self.outcome, turn)
            if turn is not None:
                await self._note_cached(opened, model, fitted.branch)

    def _note_shortened(self, model: ServedModel, tokens: int) -> None:
        limit = model.budget.prompt_limit
        self.shortened = ShortenedQuestion(tokens, limit) if tokens > limit else None

    async def _settle_quote(self, opened: OpenConversation) -> Question:
        """Quote what the question is about, unless the conversation holds it: messages, or where the thread began."""
        asked, thread_starter = self._question.asked, self._question.thread_starter
        self._changes_meanwhile = []
        is_held = held_by(opened.branch, self._answering.conversations.question_of)
        quotes = quotes_beyond(asked, is_held)
        if self._question.earlier_quotes is not None and begins_a_chain(quotes, is_held):
            quotes = (*await self._question.earlier_quotes(is_held), *quotes)
        elif thread_starter is not None and not asked.cited and not opened.branch and not opened.resets:
            starter = await thread_starter()
            quotes = quotes if starter is None else (starter, *quotes)
        changes, self._changes_meanwhile = self._changes_meanwhile, None
        self._question = replace(self._question, asked=replace(self._question.asked, quotes=quotes))
        for change in changes:  # the quotes may have been read before them
            self.change(change)
        return self._question

    async def _stream(self, model: ServedModel, request: GenerationRequest) -> AsyncGenerator[str, None]:
        repetition = RepetitionDetector()
        generated = self._generated = AnswerText(model.builder)
        beginning = request.prompt_ids[request.question_length :]
        generated.add(beginning)
        repetition.add(beginning)
        request = replace(request, message_id=self._question.id)
        times = GenerationTimes(self._answering, self._ticket, request, self.figures)

        def show_prefill(tokens: int) -> None:
            prefill = times.prefill(tokens)
            if prefill.is_long and not self.text.strip():
                self._on_prefill(prefill)

        self._generation = model.engine.submit(request)
        self._generation.on_prefill = show_prefill
        try:
            async for ids in self._generation:
                times.add_tokens(len(ids))
                self.text = generated.add(ids)
                yield self.text
                if repetition.add(ids):
                    break
        finally:
            self._generation.cancel()
            self.outcome = self._generation.outcome or Outcome(FinishReason.CANCELLED)
            if repetition.kept is not None:
                self.outcome = Outcome(FinishReason.REPEATED)
                self._generated = AnswerText(model.builder)
                self._generated.add(generated.ids[: repetition.kept])
            self.text = self._generated.finish()
            times.end(self.outcome, len(generated.ids) - len(beginning), self._generation.usage)

    def _asked_as(self, generated_for: Question, seen: UserMessage) -> Question:
        """The question for memory: as the model saw it, or as it was edited since."""
        return replace(generated_for, asked=seen) if self._question is generated_for else self._question

    def _end_unanswered(self, reason: FinishReason, detail: str = "") -> None:
        self.outcome = Outcome(reason, detail)
        self._answering.metrics.answer_ended(reason, tokens=0, seconds=0.0)

    async def _note_cached(self, opened: OpenConversation, model: ServedModel, seen: Sequence[Turn]) -> None:
        conversation = opened.conversation
        *before, tip = conversation.branch(conversation.tip_id) or (None,)
        if tip is None or tip.id != self._question.id or before != list(seen):
            return  # the engine has not read it in this place, such as after answers that ended meanwhile
        branch = (*before, tip)
        # A model that has taken over since does not know the conversation, and a branch that is about to be trimmed
        # needs a new prefill.
        full = await asyncio.to_thread(model.window.is_nearly_full, opened.system_prompt, branch)
        # After a thought the cache holds another beginning than the next prompt has.
        thought = self._generated is not None and self._generated.has_thought
        cached = model is self._answering.model and not full and not thought
        if cached and conversation.branch(conversation.tip_id) == branch:
            conversation.cached_by = model.cache_owner
