"""Answers a question once more, or goes on with its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from bot.answering.answer import Answer
from bot.answering.served_model import ServedModel
from bot.conversation.answer_versions import NothingToReviseError, Revision
from bot.conversation.changes import TurnChange
from bot.conversation.context_window import FittedPrompt
from bot.conversation.turn import AnswerVersion, Task
from bot.engine.interface import FinishReason, GenerationRequest, Outcome, Sampling
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_TEMPERATURE = 0.9
"""Of further versions where the setting is 0: every version would be the first one again."""
_TOP_P = 0.95
_SEED_STEP = 0x9E3779B1  # odd, so that no two versions of an answer get the same seed
_SEEDS = 2**32

_OUTAGE = "The database is unavailable, so I cannot change this answer. Try again in a few minutes."
_FULL = "There is no room left to continue this answer. Ask about the rest in a new question."
_THOUGHT = "An answer that began with a thought cannot go on later. Ask for the rest in a new question."


def sampling_for(sampling: Sampling, question_id: int, version: int) -> Sampling:
    """How the tokens of a version are chosen; always the same ones, so that a restart goes on with the same answer.

    Args:
        sampling: of the first version.
        question_id: of the message that asked.
        version: 1 for the first.
    """
    if version == 1:
        return sampling
    seed = (sampling.seed + question_id + version * _SEED_STEP) % _SEEDS
    if sampling.temperature:
        return replace(sampling, seed=seed)
    return replace(sampling, seed=seed, temperature=_TEMPERATURE, top_p=min(sampling.top_p, _TOP_P))


class RevisedAnswer(Answer):
    """Another version of an answer, or the rest of it (`Question.task`).

    If nothing comes of it, everything stays as it was. An edit of the question begins a new version again.

    Attributes:
        version: what memory keeps in the end; None if that is what it kept before.
        versions: how many versions there are then.
    """

    version: AnswerVersion | None = None
    versions: int = 0
    _begins_again = False

    def change(self, change: TurnChange) -> bool:
        """Follow an edit or a deletion; a version of which something is generated already begins again."""
        changed = super().change(change)
        if changed and self._regenerates:
            self._begins_again = True
            if self._generation is not None:
                self._generation.cancel()
        return changed

    @property
    def _regenerates(self) -> bool:
        return self.question.task is not Task.CONTINUE

    async def _generate(self) -> AsyncGenerator[str, None]:
        memory = self._answering.conversations.versions
        try:
            revision = await memory.begin(self._question)
        except DatabaseOutageError as error:
            self.outcome = Outcome(FinishReason.FAILED, str(error), _OUTAGE)
            return
        except NothingToReviseError:
            self.take_back()
            self._end_unanswered(FinishReason.CANCELLED)
            return
        assert revision.turn.asked is not None  # else there is nothing to revise
        self._question = replace(self._question, asked=revision.turn.asked)
        self.versions = len(revision.versions)
        model = self._answering.model
        try:
            async with aclosing(self._generate_until_current(model, revision)) as texts:
                async for text in texts:
                    yield text
        finally:
            self.version = self._kept(revision)
            if self.version is not None:
                self.versions = max(self.versions, self.version.number)
            await memory.end(revision, None if self._suspended else self.outcome, self.version)
            if self.version is not None:
                await self._note_cached(revision.opened, model, revision.opened.branch)

    async def _generate_until_current(self, model: ServedModel, revision: Revision) -> AsyncGenerator[str, None]:
        """Generate, again after each edit of the question."""
        opened = revision.opened
        while True:
            self._begins_again, self.outcome, self._generated, self.text = False, None, None, ""
            self._seen = self._question.asked
            fitted = await asyncio.to_thread(model.window.fit, opened.system_prompt, opened.branch, self._seen)
            self._note_shortened(model, fitted.asked_tokens)
            if self._stopped:
                self._end_unanswered(FinishReason.CANCELLED)
                return
            if self._begins_again:
                continue
            request = self._request(model, revision, fitted)
            if isinstance(request, Outcome):
                self.outcome = request
                return
            async with aclosing(self._stream(model, request)) as texts:
                async for text in texts:
                    yield text
            if not self._begins_again or self._stopped:
                return
            logger.info("Question edited, begins again: message_id=%d", self._question.id)

    def _request(self, model: ServedModel, revision: Revision, fitted: FittedPrompt) -> GenerationRequest | Outcome:
        """The request to make, or why there is none."""
        opened, number = revision.opened, self._number(revision)
        beginning: tuple[int, ...] = ()
        if not self._regenerates:
            answer = revision.shown.answer
            if answer.ids is None:
                return Outcome(FinishReason.NO_ROOM, note=_THOUGHT)
            is_same = answer.tokenizer == model.builder.tokenizer.fingerprint
            beginning = answer.ids if is_same else tuple(model.builder.tokenizer.encode(answer.content))
        prompt_ids = fitted.prompt.ids + beginning
        if len(prompt_ids) >= model.budget.context_length:
            return Outcome(FinishReason.NO_ROOM, note=_FULL)
        sources = opened.system_sources + fitted.sources(self._question)
        request = model.request(prompt_ids, sources, opened.erasures, self._question.key)
        # An edited question needs no other sampling for another answer.
        version = 1 if self._question.task is Task.ANSWER_AGAIN else number
        sampling = sampling_for(model.sampling, self._question.id, version)
        return replace(request, resumed_tokens=len(beginning), sampling=sampling)

    def _number(self, revision: Revision) -> int:
        return revision.next_number if self._regenerates else revision.shown.number

    def _kept(self, revision: Revision) -> AnswerVersion | None:
        """The new or the longer answer; None if the one that was there stays."""
        if self._suspended or self._taken_back or self.outcome is None or self._generated is None:
            return None
        if self.outcome.reason is FinishReason.FAILED:
            return None
        answer = self._generated.message
        has_more = self._regenerates or answer.ids != revision.shown.answer.ids
        if not answer.content.strip() or not (has_more or self.outcome.reason is FinishReason.STOP):
            return None  # an answer that the model itself ends just there cannot go on again
        return AnswerVersion(self._number(revision), answer, self.outcome.reason)
