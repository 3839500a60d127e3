"""An engine that notes what it prefills, and conversations for it to prefill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psutil

from bot.answering.prefill_ahead import PrefillAhead
from bot.answering.queue import QuestionQueue
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.budget import Budget
from bot.conversation.tree import Conversation
from bot.engine.interface import EngineFacts, FinishReason, Generation, GenerationRequest, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.metrics.prometheus import PrometheusMetrics
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import channel
from tests.conversation.memory import DONE, SYSTEM, Memory, ask

POLL_SECONDS = 0.02
DEADLINE_SECONDS = 120


class NotingEngine:
    """A real engine, and a note of each prefill-only request."""

    def __init__(self, engine: EngineSupervisor, metrics: PrometheusMetrics) -> None:
        self._engine = engine
        self.metrics = metrics
        self.prefills: list[tuple[tuple[int, ...], Generation]] = []

    @property
    def facts(self) -> EngineFacts | None:
        return self._engine.facts

    @property
    def restarts(self) -> int:
        return self._engine.restarts

    def submit(self, request: GenerationRequest) -> Generation:
        generation = self._engine.submit(request)
        if request.prefill_only:
            self.prefills.append((request.prompt_ids, generation))
        return generation

    async def close(self) -> None:
        await self._engine.close()

    @property
    def process_id(self) -> int:
        assert self.facts is not None
        return self.facts.process_id

    @property
    def prefilled_ids(self) -> list[tuple[int, ...]]:
        """The prompts of all prefill-only requests, in order."""
        return [ids for ids, _ in self.prefills]

    @property
    def outcomes(self) -> list[FinishReason]:
        """How the prefill-only requests that have ended did so."""
        return [generation.outcome.reason for _, generation in self.prefills if generation.outcome is not None]

    @property
    def uncached_tokens(self) -> float:
        """Tokens of all prompts that were not in the cache."""
        tokens, cached = (
            self.metrics.registry.get_sample_value(f"phi3_prompt_tokens{name}_total") for name in ("", "_cached")
        )
        assert tokens is not None
        assert cached is not None
        return tokens - cached

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Suspend the process: a fast one would finish before a test can interrupt it."""
        process = psutil.Process(self.process_id)
        process.suspend()
        try:
            yield
        finally:
            process.resume()


def make_answering(
    engine: NotingEngine, chatml: PromptBuilder, memory: Memory, context_length: int = 2048
) -> AnswerService:
    """A service with nothing in memory yet."""
    budget = Budget(context_length, max_new_tokens=8)
    model = ServedModel(engine, chatml, budget, Sampling(), time_limit_seconds=120.0)
    queue = QuestionQueue(most_running=8, most_waiting=8, most_waiting_per_person=4)
    return AnswerService(model, memory.conversations(), queue)


async def talk(answering: AnswerService, name: str, words: int = 100) -> Conversation:
    """Add a turn that no engine has read; the name must be new among the tests that share the engine."""
    builder = answering.model.builder
    ids = builder.tokenizer.encode(name + " word" * words)
    question = ask(f"Talk about {name}.", key=channel(name))
    opened = await answering.conversations.begin(question)
    turn = opened.turn(question, opened.branch, builder.answer(builder.tokenizer.decode(ids), ids))
    await answering.conversations.end(opened, question, DONE, turn)
    return opened.conversation


async def answered(answering: AnswerService, name: str, text: str = "And now?") -> str:
    """Ask something in a channel of this name; return the answer."""
    answer = answering.ask(ask(text, key=channel(name)))
    async for _ in answer.texts():
        pass
    return answer.text


def prefix(answering: AnswerService, conversation: Conversation) -> tuple[int, ...]:
    """What of a conversation can be prefilled before its next question."""
    return answering.model.window.prefix(SYSTEM, conversation.branch(conversation.tip_id)).ids


def nearly_full(answering: AnswerService, conversation: Conversation) -> bool:
    return answering.model.window.is_nearly_full(SYSTEM, conversation.branch(conversation.tip_id))


@asynccontextmanager
async def prefilling(answering: AnswerService) -> AsyncIterator[PrefillAhead]:
    """Prefill for as long as the block lasts."""
    prefill_ahead = PrefillAhead(answering, POLL_SECONDS)
    task = asyncio.create_task(prefill_ahead.run())
    try:
        yield prefill_ahead
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def polls(count: int = 10) -> None:
    """Give prefill-ahead the time for this many polls, to see that it does nothing."""
    await asyncio.sleep(count * POLL_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the cache has no event
            await asyncio.sleep(0.005)
