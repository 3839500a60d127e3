"""A crowd in many conversations, through the bot's core: queue, memory, database, prompts, engine."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections import Counter, defaultdict
from contextlib import closing
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking.bot_without_discord import BotWithoutDiscord
from benchmarking.crowd_figures import CrowdTurn, crowd_figures, hit_rates
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.turn import ConversationKey, UserMessage
from bot.engine.interface import Engine, EngineFacts, Generation, GenerationRequest, Sampling
from bot.engine.observer import BatchState
from bot.export.timed_generation import TIME_LIMIT_SECONDS
from bot.metrics.prometheus import PrometheusMetrics
from bot.storage.storage import Storage

MANY = 10
"""The questions that one member asks at once."""

_LOAD = 2.0
"""The questions that the crowd asks in the time that one question takes alone."""

_MANY_ASKER = "asks many at once"
_turn: ContextVar[CrowdTurn] = ContextVar("turn")


class PromptReads:
    """An `EngineObserver` that keeps the prompts' lengths.

    Attributes:
        reads: tokens and cached tokens of each prompt, in the order of the requests.
    """

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:  # noqa: ARG002 - without a disk cache
        """Keep the counts."""
        self.reads.append((tokens, cached))

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it; afterwards there are more reads than requests."""


class _TurnMetrics(PrometheusMetrics):
    """The bot's metrics, which also go into the `CrowdTurn` that they belong to."""

    def answer_began(self, waited_seconds: float) -> None:
        """Keep how long the question waited."""
        super().answer_began(waited_seconds)
        _turn.get().waited_seconds = waited_seconds

    def first_token(self, seconds: float) -> None:
        """Keep the time to the first token."""
        super().first_token(seconds)
        _turn.get().first_token_seconds = seconds

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """Keep the answer's length."""
        super().answer_ended(reason, tokens, seconds)
        _turn.get().tokens = tokens


class _RecordingEngine:
    """An `Engine` that records the order of its requests.

    Attributes:
        asked: the questions in the order in which the engine got them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked: list[CrowdTurn] = []

    @property
    def facts(self) -> EngineFacts | None:
        """Those of the engine."""
        return self._engine.facts

    @property
    def restarts(self) -> int:
        """Those of the engine."""
        return self._engine.restarts

    def submit(self, request: GenerationRequest) -> Generation:
        """Record whose request it is, and submit it."""
        self.asked.append(_turn.get())
        return self._engine.submit(request)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


class Crowd:
    """Members who ask at random moments, each in a separate conversation, and one who asks ten questions at once.

    Each asks again some time after the answer. All random draws are the same in every run; times are multiples of the
    time that one question takes alone, so that the engine is busy on any machine.
    """

    def __init__(self, engine: Engine, prompts: Prompts, plan: Plan, context_length: int) -> None:
        budget = Budget(context_length, plan.crowd_answer)
        self._engine = _RecordingEngine(engine)
        self._model = ServedModel(self._engine, prompts.builder, budget, Sampling(), TIME_LIMIT_SECONDS)
        self._metrics = _TurnMetrics()
        self._prompts = prompts
        self._plan = plan
        self._ids: defaultdict[str, int] = defaultdict(count(1).__next__)  # of members and their channels, by name
        self._turns: list[CrowdTurn] = []
        self._half_asked = asyncio.Event()

    async def run(self, reads: PromptReads) -> Figures:
        """Run the crowd and return its figures.

        Args:
            reads: the engine's observer.

        Raises:
            MeasureError: no question got an answer.
        """
        already_read = len(reads.reads)
        with TemporaryDirectory() as folder:
            file = Path(folder, "conversations.sqlite3")
            storage = await Storage.open(f"sqlite:///{file.as_posix()}", self._metrics.database_outage)
            try:
                bot = BotWithoutDiscord(
                    storage, self._model, most_running=self._plan.crowd_running, metrics=self._metrics
                )
                alone_seconds = await self._ask_alone(bot)
                await self._let_all_ask(bot, alone_seconds / _LOAD)
            finally:
                await storage.close()
            self._count_answers(file)
        figures = crowd_figures(self._turns, _MANY_ASKER) | {"alone_seconds": alone_seconds}
        return figures | self._hit_rates(reads.reads[already_read:])

    async def _ask_alone(self, bot: BotWithoutDiscord) -> float:
        """Return the time that one question takes alone."""
        alone = [await self._ask(bot, "alone", "alone", number) for number in (1, 2)]
        self._turns.clear()
        return sum(turn.ended_at - turn.asked_at for turn in alone) / len(alone)

    async def _let_all_ask(self, bot: BotWithoutDiscord, between_questions: float) -> None:
        """Run the crowd with this average time between its questions."""
        chance = random.Random("crowd")  # noqa: S311 - nothing secret
        arrives = 0.0
        async with asyncio.TaskGroup() as members:
            members.create_task(self._ask_many(bot))
            for number in range(self._plan.crowd_conversations):
                members.create_task(self._converse(bot, f"person {number}", arrives, between_questions))
                arrives += chance.expovariate(1 / between_questions)

    async def _converse(self, bot: BotWithoutDiscord, person: str, arrives: float, between_questions: float) -> None:
        chance = random.Random(person)  # noqa: S311 - nothing secret
        await asyncio.sleep(arrives)
        for number in range(1, self._plan.crowd_turns + 1):
            if number > 1:
                thinks = between_questions * self._plan.crowd_conversations
                await asyncio.sleep(chance.expovariate(1 / thinks))
            await self._ask(bot, person, person, number)

    async def _ask_many(self, bot: BotWithoutDiscord) -> None:
        await self._half_asked.wait()
        await asyncio.gather(*(self._ask(bot, _MANY_ASKER, f"one of many {number}", 1) for number in range(MANY)))

    async def _ask(self, bot: BotWithoutDiscord, person: str, conversation: str, number: int) -> CrowdTurn:
        text = self._prompts.made_up_question(f"{conversation} {number}")
        turn = CrowdTurn(person, conversation, number, text, asked_at=time.monotonic())
        _turn.set(turn)
        self._turns.append(turn)
        if len(self._turns) * 2 >= self._plan.crowd_conversations * self._plan.crowd_turns:
            self._half_asked.set()
        await bot.ask(ConversationKey(self._ids[conversation]), UserMessage(text, self._ids[person], person))
        turn.ended_at = time.monotonic()
        return turn

    def _count_answers(self, file: Path) -> None:
        """Count how often each question has an answer in the database."""
        with closing(sqlite3.connect(file)) as connection:
            kept = Counter(connection.execute("SELECT channel_id, text FROM turns WHERE answer != ''"))
        for turn in self._turns:
            turn.times_answered = kept[self._ids[turn.conversation], turn.text]

    def _hit_rates(self, reads: list[tuple[int, int]]) -> Figures:
        asked = self._engine.asked
        if len(reads) != len(asked):
            # An engine that does not report prompts, or one that crashed and read some again.
            return {"skipped": f"the engine reported {len(reads)} prompts for {len(asked)} requests"}
        for turn, (tokens, cached) in zip(asked, reads, strict=True):
            turn.prompt_tokens, turn.cached_tokens = tokens, cached
        return {"hit_rate": hit_rates(self._turns)}
