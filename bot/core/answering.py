"""From a question to the growing text of its answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass

from bot.core.conversation import Conversation, Conversations, QuestionTooLongError
from bot.core.detokenizer import Detokenizer
from bot.core.served_model import ServedModel
from bot.core.throughput import Throughput
from bot.core.waiting_line import LineClosedError, LineFullError, Place, PlaceLeftError, WaitingLine
from bot.engine.interface import FinishReason, Generation, Outcome
from bot.numbers import Numbers


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks.

    Attributes:
        conversation: which conversation it belongs to; any hashable, such as a channel's id.
        text: the question.
        author: the asker's display name where several people can talk, otherwise None.
        person: who asks, for fairness between people; any hashable, such as a user's id.
    """

    conversation: Hashable
    text: str
    author: str | None = None
    person: Hashable = None


class Answer:
    """One question on its way: `texts` gives the text so far as it grows, `outcome` is set at the end."""

    def __init__(self, answering: Answering, question: Question, place: Place) -> None:
        self._answering = answering
        self._question = question
        self._place = place
        self._generation: Generation | None = None
        self._stopped = False
        self._asked_at = time.monotonic()
        self.text = ""
        self.outcome: Outcome | None = None

    def stop(self) -> None:
        """End it early. What was generated so far is kept and remembered."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()
        else:
            self._place.leave()

    async def texts(self, on_position: Callable[[int], None] = lambda _: None) -> AsyncGenerator[str, None]:
        """Run the question when its turn has come; yield the whole text so far each time that it has grown.

        Args:
            on_position: called with its place among those who wait, at once and when it changes; 1 is next.
        """
        with self._place:
            try:
                async for position in self._place.positions():
                    on_position(position)
            except PlaceLeftError:
                self._end_unanswered(FinishReason.CANCELLED)
            except LineClosedError as error:
                self._end_unanswered(FinishReason.FAILED, str(error))
            else:
                self._answering.numbers.answer_began(self._place.waited_seconds)
                async with aclosing(self._generate()) as texts:
                    async for text in texts:
                        yield text

    async def _generate(self) -> AsyncGenerator[str, None]:
        conversation = self._answering.conversations.get(self._question.conversation)
        question = conversation.user_turn(self._question.text, self._question.author)
        try:
            prompt = conversation.prompt(question)
        except QuestionTooLongError as error:
            detail = f"That is {error.tokens:,} tokens with the instructions; I can read {error.limit:,} at once."
            self._end_unanswered(FinishReason.FAILED, detail)
            return
        if self._stopped:
            self._end_unanswered(FinishReason.CANCELLED)
            return
        model = self._answering.model
        self._generation = model.engine.submit(model.request(prompt.ids))
        detokenizer = Detokenizer(model.builder.tokenizer.decode)
        first_token_at = 0.0
        try:
            async for ids in self._generation:
                if not detokenizer.ids:
                    first_token_at = time.monotonic()
                    self._answering.numbers.first_token(first_token_at - self._asked_at)
                self._answering.throughput.add(len(ids))
                self.text = detokenizer.add(ids)
                yield self.text
        finally:
            self._generation.cancel()
            self.text = detokenizer.finish()
            self.outcome = self._generation.outcome or Outcome(FinishReason.CANCELLED)
            self._answering.numbers.answer_ended(
                self.outcome.reason, len(detokenizer.ids), time.monotonic() - first_token_at
            )
            if self.text.strip():
                answer = model.builder.answer(self.text, detokenizer.ids)
                conversation.remember(question, answer, self._question.author)
                self._note_cached(conversation, model)

    def _end_unanswered(self, reason: FinishReason, detail: str = "") -> None:
        self.outcome = Outcome(reason, detail)
        self._answering.numbers.answer_ended(reason, tokens=0, seconds=0.0)

    def _note_cached(self, conversation: Conversation, model: ServedModel) -> None:
        # Another model may have taken over meanwhile, and the conversation is new to that one. What is about to be
        # trimmed has to be read again as well.
        cached = model is self._answering.model and not conversation.nearly_full
        conversation.cached_by = model.cache_owner if cached else None


class Answering:
    """Answers questions: conversation, prompt, engine, text.

    Args:
        model: what answers; another may take its place at any time, with `adopt`.
        conversations: what was said before.
        line: whose question runs next.
        numbers: counts what happens.
    """

    def __init__(
        self, model: ServedModel, conversations: Conversations, line: WaitingLine, numbers: Numbers | None = None
    ) -> None:
        self.model = model
        self.conversations = conversations
        self.line = line
        self.numbers = numbers or Numbers()
        self.numbers.watch_line(lambda: line.running, lambda: line.waiting)
        self.throughput = Throughput()

    def adopt(self, model: ServedModel) -> None:
        """Answer with another model from the next question on. Answers on their way end with the one they have."""
        self.model = model
        self.conversations.adopt(model.builder, model.budget)
        self.throughput = Throughput()

    def ask(self, question: Question) -> Answer:
        """Take a place in the line for a question; `Answer.texts` must be run, and waits for its turn.

        Raises:
            LineFullError: too many wait. The message is for the person.
            LineClosedError: the bot is being ended. The message is for the person.
        """
        try:
            place = self.line.join(question.conversation, question.person)
        except LineFullError as error:
            self.numbers.answer_refused("person's line full" if error.per_person else "line full")
            raise
        except LineClosedError:
            self.numbers.answer_refused("being ended")
            raise
        return Answer(self, question, place)
