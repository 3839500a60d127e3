"""The bot's own share of an answer's latency: the real bot on a loopback Discord, minus its engine."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path
from statistics import median

import discord

from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import QUESTIONS
from bot.answering.answer import Answer
from bot.application import Application
from bot.cli.progress import Progress
from bot.demo.loopback import EventKind, LoopbackDiscord, Subscription
from bot.demo.running_bot import running_bot
from bot.engine.interface import Generation, GenerationRequest, Outcome
from bot.engine.supervisor.token_stream import TokenStream
from bot.export.peak_memory import PeakMemory
from bot.export.timed_generation import MeasureError
from bot.prompting.detokenizer import Detokenizer

_LONGEST_ANSWER_SECONDS = 300.0


class _EngineClock:
    """Records when the bot submits a request and when the first tokens arrive.

    Attributes:
        submitted: when the last request was submitted.
        first_token: when its first token arrived; None before that.
        first_text: when the first token with visible text arrived; None before that.
    """

    def __init__(self, application: Application) -> None:
        model = application.answering.model
        self._submit = model.engine.submit
        self._decode = model.builder.tokenizer.decode
        self.submitted = 0.0
        self.first_token: float | None = None
        self.first_text: float | None = None

    def submit(self, request: GenerationRequest) -> Generation:
        """Do what `EngineSupervisor.submit` does, timed."""
        self.submitted, self.first_token, self.first_text = time.perf_counter(), None, None
        stream = self._submit(request)
        assert isinstance(stream, TokenStream)
        push, detokenizer = stream.push, Detokenizer(self._decode)

        def timed_push(ids: tuple[int, ...]) -> None:
            now = time.perf_counter()
            push(ids)
            self.first_token = self.first_token or now
            if self.first_text is None and detokenizer.add(ids).strip():
                self.first_text = now

        stream.push = timed_push  # type: ignore[method-assign]  # timed from outside, with the bot unchanged
        return stream


class _Asker:
    """A member who mentions the bot and notes when the answer appears."""

    def __init__(self, server: LoopbackDiscord, application: Application, clock: _EngineClock) -> None:
        self._server = server
        self._clock = clock
        self._answered: asyncio.Queue[Answer] = asyncio.Queue()
        application.client.add_listener(self._on_answered, "on_answered")

    async def ask(self, text: str) -> dict[str, float]:
        """Mention the bot, wait for the whole answer, and return the seconds until it appeared."""
        person, channel = self._server.people[0], self._server.channels[0]
        subscription = self._server.subscribe()
        shown = asyncio.create_task(self._first_shown(subscription))
        try:
            sent = time.perf_counter()
            await self._server.send(person.id, channel.id, f"<@{self._server.bot.id}> {text}")
            await asyncio.wait_for(self._answered.get(), _LONGEST_ANSWER_SECONDS)
        finally:
            subscription.close()
            seen = await shown
        if seen is None or self._clock.first_text is None or self._clock.first_token is None:
            raise MeasureError("an answer held no visible text")
        engine_seconds = self._clock.first_text - self._clock.submitted
        return {
            "mention_to_text_seconds": seen - sent,
            "engine_seconds": engine_seconds,
            "engine_first_token_seconds": self._clock.first_token - self._clock.submitted,
            "own_seconds": seen - sent - engine_seconds,
        }

    async def _on_answered(self, _message: discord.Message, answer: Answer, _outcome: Outcome) -> None:
        self._answered.put_nowait(answer)

    async def _first_shown(self, subscription: Subscription) -> float | None:
        """Return when the bot's first text appeared; None if none did before the subscription was closed."""
        seen = None
        async for event in subscription:
            if seen is None and event.kind is EventKind.MESSAGE and self._is_answer(event.data):
                seen = time.perf_counter()
        return seen

    def _is_answer(self, message: dict[str, object]) -> bool:
        author = message["author"]
        return isinstance(author, dict) and author["id"] == str(self._server.bot.id) and bool(message["content"])


async def mentions(engine: str, model_dir: Path, plan: Plan, memory: PeakMemory) -> Figures:
    """Mention the real bot several times; medians.

    The bot, its Discord and the members share this process, so the bot's share includes theirs.
    """
    async with (
        LoopbackDiscord() as server,
        running_bot(
            server, model_dir, Progress(io.StringIO()), engine=engine, max_new_tokens=plan.mention_answer
        ) as running,
    ):
        application = running.application
        facts = application.serving.facts
        assert facts is not None  # it is loaded before the bot is online
        memory.watch_engine(facts.process_id)
        clock = _EngineClock(application)
        application.answering.model.engine.submit = clock.submit  # type: ignore[method-assign]  # timed from outside
        asker = _Asker(server, application, clock)
        times = [await running.during(asker.ask(QUESTIONS[number % len(QUESTIONS)])) for number in range(plan.mentions)]
    figures: Figures = {name: median(each[name] for each in times) for name in times[0]}
    return {"mentions": plan.mentions, **figures, "all": times}
