"""A crowd in many conversations, through the bot's own core: waiting line, memory, database, prompts, engine."""

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
from benchmarking.generation import TIME_LIMIT_SECONDS
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.turn import ConversationKey, UserMessage
from bot.engine.interface import BatchState, Engine, EngineFacts, Generation, GenerationRequest, Sampling
from bot.metrics.prometheus import PrometheusMetrics
from bot.storage.storage import Storage

MANY = 10
"""The questions that one person asks at once."""

_LOAD = 2.0
"""The crowd asks so many questions in the time that one question takes while nobody else asks."""

_MANY_ASKER = "asks many at once"
_turn: ContextVar[CrowdTurn] = ContextVar("turn")


class PromptReads:
    """Remembers what an engine tells about prompts; an `EngineObserver`.

    Attributes:
        reads: the length of each prompt and how many of its tokens the cache held, in the order of the requests.
    """

    def __init__(self) -> None:
        self.reads: list[tuple[int, int]] = []

    def prompt_read(self, tokens: int, cached: int) -> None:
        """A prompt is being read."""
        self.reads.append((tokens, cached))

    def engine_stepped(self, state: BatchState) -> None:
        """Nothing is kept of it."""

    def engine_restarted(self, cause: str) -> None:
        """Nothing is kept of it; there are more reads than requests then."""


class _TurnNumbers(PrometheusMetrics):
    """The bot's own metrics, noted with the question that they are about."""

    def answer_began(self, waited_seconds: float) -> None:
        """A question's turn has come."""
        super().answer_began(waited_seconds)
        _turn.get().waited_seconds = waited_seconds

    def first_token(self, seconds: float) -> None:
        """Its answer begins."""
        super().first_token(seconds)
        _turn.get().first_token_seconds = seconds

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """Its answer is complete."""
        super().answer_ended(reason, tokens, seconds)
        _turn.get().tokens = tokens


class _NotingEngine:
    """The engine, with a note of what it is asked; an `Engine`.

    Attributes:
        asked: the questions in the order in which the engine got them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.asked: list[CrowdTurn] = []

    @property
    def facts(self) -> EngineFacts | None:
        """The engine's."""
        return self._engine.facts

    @property
    def restarts(self) -> int:
        """The engine's."""
        return self._engine.restarts

    def submit(self, request: GenerationRequest) -> Generation:
        """Note whose request it is, and hand it over."""
        self.asked.append(_turn.get())
        return self._engine.submit(request)

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


class Crowd:
    """People who ask at random moments, each in a conversation of their own, and one who asks ten questions at once.

    Each asks the next question some time after the answer to the one before. All random draws are the same in every
    run; their times are multiples of the time that one question takes alone, so that the engine is busy on any machine.

    Args:
        engine: the loaded engine.
        prompts: where the questions come from.
        plan: the sizes.
        context_length: the model's.
    """

    def __init__(self, engine: Engine, prompts: Prompts, plan: Plan, context_length: int) -> None:
        budget = Budget(context_length, plan.crowd_answer)
        self._engine = _NotingEngine(engine)
        self._model = ServedModel(self._engine, prompts.builder, budget, Sampling(), TIME_LIMIT_SECONDS)
        self._metrics = _TurnNumbers()
        self._prompts = prompts
        self._plan = plan
        self._ids: defaultdict[str, int] = defaultdict(count(1).__next__)  # of people and their channels, by name
        self._turns: list[CrowdTurn] = []
        self._half_asked = asyncio.Event()

    async def run(self, reads: PromptReads) -> Figures:
        """Let them all ask, and sum up what became of it.

        Args:
            reads: what observes the engine.

        Raises:
            MeasureError: nobody got an answer.
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
        """The time that one question takes while nobody else asks."""
        alone = [await self._ask(bot, "alone", "alone", number) for number in (1, 2)]
        self._turns.clear()
        return sum(turn.ended_at - turn.asked_at for turn in alone) / len(alone)

    async def _let_all_ask(self, bot: BotWithoutDiscord, between_questions: float) -> None:
        """Run the crowd; the time is between any two questions of it, on average."""
        chance = random.Random("crowd")  # noqa: S311 - nothing secret
        arrives = 0.0
        async with asyncio.TaskGroup() as people:
            people.create_task(self._ask_many(bot))
            for number in range(self._plan.crowd_conversations):
                people.create_task(self._converse(bot, f"person {number}", arrives, between_questions))
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
        """Note how often each question stands in the database with an answer."""
        with closing(sqlite3.connect(file)) as connection:
            kept = Counter(connection.execute("SELECT channel_id, text FROM turns WHERE answer != ''"))
        for turn in self._turns:
            turn.times_answered = kept[self._ids[turn.conversation], turn.text]

    def _hit_rates(self, reads: list[tuple[int, int]]) -> Figures:
        asked = self._engine.asked
        if len(reads) != len(asked):
            # An engine that does not tell, or one that was lost and read prompts again.
            return {"skipped": f"the engine told of {len(reads)} prompts where {len(asked)} were asked"}
        for turn, (tokens, cached) in zip(asked, reads, strict=True):
            turn.prompt_tokens, turn.cached_tokens = tokens, cached
        return {"hit_rate": hit_rates(self._turns)}
