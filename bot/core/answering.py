"""From a question to the growing text of its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass

from bot.core.conversation import Budget, Conversation, Conversations, QuestionTooLongError
from bot.core.detokenizer import Detokenizer
from bot.core.prompt import Message, PromptBuilder
from bot.core.throughput import Throughput
from bot.engine.interface import (
    Engine,
    FinishReason,
    Generation,
    GenerationRequest,
    Outcome,
    Sampling,
)


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asks.

    Attributes:
        conversation: which conversation it belongs to; any hashable, such as a channel's id.
        text: the question.
        author: the asker's display name where several people can talk, otherwise None.
    """

    conversation: Hashable
    text: str
    author: str | None = None


class Answer:
    """One question on its way: `texts` gives the text so far as it grows, `outcome` is set at the end."""

    def __init__(self, answering: Answering, question: Question) -> None:
        self._answering = answering
        self._question = question
        self._generation: Generation | None = None
        self._stopped = False
        self.text = ""
        self.outcome: Outcome | None = None

    def stop(self) -> None:
        """End it early. What was generated so far is kept and remembered."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()

    async def texts(self) -> AsyncGenerator[str, None]:
        """Run the question; yield the whole text so far each time that it has grown."""
        conversation = self._answering.conversations.get(self._question.conversation)
        self._answering.waiting += 1
        try:
            await conversation.lock.acquire()
        finally:
            self._answering.waiting -= 1
        self._answering.active += 1
        try:
            async with aclosing(self._generate(conversation)) as texts:
                async for text in texts:
                    yield text
        finally:
            self._answering.active -= 1
            conversation.lock.release()

    async def _generate(self, conversation: Conversation) -> AsyncGenerator[str, None]:
        question = conversation.user_turn(self._question.text, self._question.author)
        try:
            prompt = conversation.prompt(question)
        except QuestionTooLongError as error:
            detail = f"That is {error.tokens:,} tokens with the instructions; I can read {error.limit:,} at once."
            self.outcome = Outcome(FinishReason.FAILED, detail)
            return
        if self._stopped:
            self.outcome = Outcome(FinishReason.CANCELLED)
            return
        self._generation = self._answering.submit(prompt.ids)
        detokenizer = Detokenizer(self._answering.builder.tokenizer.decode)
        try:
            async for ids in self._generation:
                self._answering.throughput.add(len(ids))
                self.text = detokenizer.add(ids)
                yield self.text
        finally:
            self._generation.cancel()
            self.text = detokenizer.finish()
            self.outcome = self._generation.outcome or Outcome(FinishReason.CANCELLED)
            if self.text.strip():
                answer = Message("assistant", self.text, tuple(detokenizer.ids))
                conversation.remember(question, answer, self._question.author)


class Answering:
    """Answers questions: conversation, prompt, engine, text.

    Args:
        engine: generates the tokens.
        builder: writes prompts for the engine's model.
        conversations: what was said before.
        budget: how the model's context is divided.
        sampling: how tokens are chosen.
        time_limit_seconds: the longest that one answer may take in the engine.
    """

    def __init__(
        self,
        engine: Engine,
        builder: PromptBuilder,
        conversations: Conversations,
        budget: Budget,
        sampling: Sampling,
        time_limit_seconds: float,
    ) -> None:
        self._engine = engine
        self._budget = budget
        self._sampling = sampling
        self._time_limit_seconds = time_limit_seconds
        self.builder = builder
        self.conversations = conversations
        self.throughput = Throughput()
        self.active = 0
        self.waiting = 0

    def ask(self, question: Question) -> Answer:
        """Take a question; `Answer.texts` runs it, after those asked earlier in its conversation."""
        return Answer(self, question)

    def submit(self, prompt_ids: tuple[int, ...]) -> Generation:
        """Hand a prompt to the engine, with the limits and the sampling that hold for everybody."""
        room = self._budget.context_length - len(prompt_ids)
        return self._engine.submit(
            GenerationRequest(
                prompt_ids=prompt_ids,
                stop_ids=self.builder.stop_ids,
                max_new_tokens=min(self._budget.max_new_tokens, room),
                time_limit_seconds=self._time_limit_seconds,
                sampling=self._sampling,
            )
        )
