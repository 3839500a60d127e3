"""A crowd in many conversations, through the bot's own core: the waiting line, the prompts, the engine."""

from __future__ import annotations

import asyncio
import random
import time
from contextvars import ContextVar

from benchmarking.crowd_figures import CrowdTurn, crowd_figures, hit_rates
from benchmarking.generation import TIME_LIMIT_SECONDS
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.text import SYSTEM_PROMPT
from bot.core.answering import Answering, Question
from bot.core.conversation import Budget, Conversations
from bot.core.served_model import ServedModel
from bot.core.waiting_line import WaitingLine
from bot.engine.interface import BatchState, Engine, Sampling
from bot.numbers import Numbers

MANY = 10
"""The questions that one person asks at once."""

_LOAD = 2.0
"""The crowd asks so many questions in the time that one question takes while nobody else asks."""

_MANY_ASKER = "asks many at once"
_MOST_WAITING = 256
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


class _TurnNumbers(Numbers):
    """The bot's own numbers, noted with the question that they are about.

    Attributes:
        begun: the questions in the order in which the engine got them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[CrowdTurn] = []

    def answer_began(self, waited_seconds: float) -> None:
        """A question's turn has come."""
        super().answer_began(waited_seconds)
        _turn.get().waited_seconds = waited_seconds
        self.begun.append(_turn.get())

    def first_token(self, seconds: float) -> None:
        """Its answer begins."""
        super().first_token(seconds)
        _turn.get().first_token_seconds = seconds

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """Its answer is complete."""
        super().answer_ended(reason, tokens, seconds)
        _turn.get().tokens = tokens


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
        model = ServedModel(engine, prompts.builder, budget, Sampling(), TIME_LIMIT_SECONDS)
        line = WaitingLine(
            most_running=plan.crowd_running, most_waiting=_MOST_WAITING, most_waiting_per_person=_MOST_WAITING
        )
        self._numbers = _TurnNumbers()
        self._conversations = Conversations(prompts.builder, SYSTEM_PROMPT, budget)
        self._answering = Answering(model, self._conversations, line, self._numbers)
        self._prompts = prompts
        self._plan = plan
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
        alone = [await self._ask("alone", "alone", number) for number in (1, 2)]
        alone_seconds = sum(turn.ended_at - turn.asked_at for turn in alone) / len(alone)
        self._turns.clear()
        await self._let_all_ask(alone_seconds / _LOAD)
        for turn in self._turns:
            remembered = self._conversations.get(turn.conversation).turns
            turn.times_answered = [each.question.content for each in remembered].count(turn.text)
        figures = crowd_figures(self._turns, _MANY_ASKER) | {"alone_seconds": alone_seconds}
        return figures | self._hit_rates(reads.reads[already_read:])

    async def _let_all_ask(self, between_questions: float) -> None:
        """Run the crowd; the time is between any two questions of it, on average."""
        chance = random.Random("crowd")  # noqa: S311 - nothing secret
        arrives = 0.0
        async with asyncio.TaskGroup() as people:
            people.create_task(self._ask_many())
            for number in range(self._plan.crowd_conversations):
                people.create_task(self._converse(f"person {number}", arrives, between_questions))
                arrives += chance.expovariate(1 / between_questions)

    async def _converse(self, person: str, arrives: float, between_questions: float) -> None:
        chance = random.Random(person)  # noqa: S311 - nothing secret
        await asyncio.sleep(arrives)
        for number in range(1, self._plan.crowd_turns + 1):
            if number > 1:
                thinks = between_questions * self._plan.crowd_conversations
                await asyncio.sleep(chance.expovariate(1 / thinks))
            await self._ask(person, person, number)

    async def _ask_many(self) -> None:
        await self._half_asked.wait()
        await asyncio.gather(*(self._ask(_MANY_ASKER, f"one of many {number}", 1) for number in range(MANY)))

    async def _ask(self, person: str, conversation: str, number: int) -> CrowdTurn:
        text = self._prompts.made_up_question(f"{conversation} {number}")
        turn = CrowdTurn(person, conversation, number, text, asked_at=time.monotonic())
        _turn.set(turn)
        answer = self._answering.ask(Question(conversation, text, person=person))
        self._turns.append(turn)
        if len(self._turns) * 2 >= self._plan.crowd_conversations * self._plan.crowd_turns:
            self._half_asked.set()
        async for _ in answer.texts():
            pass
        turn.ended_at = time.monotonic()
        return turn

    def _hit_rates(self, reads: list[tuple[int, int]]) -> Figures:
        if len(reads) != len(self._numbers.begun):
            # An engine that does not tell, or one that was lost and read prompts again.
            return {"skipped": f"the engine told of {len(reads)} prompts where {len(self._numbers.begun)} were asked"}
        for turn, (tokens, cached) in zip(self._numbers.begun, reads, strict=True):
            turn.prompt_tokens, turn.cached_tokens = tokens, cached
        return {"hit_rate": hit_rates(self._turns)}
