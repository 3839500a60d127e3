"""Generates what can wait, such as summaries and titles, while nobody waits for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from bot.answering.answer_text import AnswerText
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.engine.interface import FinishReason, Generation, GenerationRequest
from bot.prompting.prompt import Message

MakeRequest: TypeAlias = Callable[[ServedModel], Awaitable[GenerationRequest | None]]
"""Makes the request for the model that answers now; None if nothing is to be generated any more."""

_COMPLETE = (FinishReason.STOP, FinishReason.LENGTH)


class IdleGeneration:
    """Runs one request at a time, and gives way to every question at once.

    Args:
        answering: owns the queue and the engine.
    """

    def __init__(self, answering: AnswerService) -> None:
        self._answering = answering
        self._busy = asyncio.Lock()

    async def generate(self, make_request: MakeRequest) -> Message | None:
        """Generate a text as soon as nobody waits for an answer; begin again after each question that interrupts it.

        Args:
            make_request: called before each try.

        Returns:
            the text as the model's message; None if the engine cannot generate it, or if it is not wanted any more.
        """
        queue = self._answering.queue
        while True:
            await queue.wait_until_idle()
            async with self._busy:
                model = self._answering.model
                request = await make_request(model)
                if request is None:
                    return None
                if not queue.idle:
                    continue
                text, generation = AnswerText(model.builder), model.engine.submit(request)
                gave_way = await self._run(generation, text)
            if generation.outcome is not None and generation.outcome.reason in _COMPLETE:
                text.finish()
                return text.message
            if not gave_way and model is self._answering.model:
                return None

    async def _run(self, generation: Generation, text: AnswerText) -> bool:
        """Run a generation to its end; return whether it gave way to a question."""
        giving_way = asyncio.create_task(self._cancel_for_questions(generation))
        try:
            async for ids in generation:
                text.add(ids)
            return giving_way.done()
        finally:
            generation.cancel()
            giving_way.cancel()

    async def _cancel_for_questions(self, generation: Generation) -> None:
        await self._answering.queue.wait_until_busy()
        generation.cancel()
