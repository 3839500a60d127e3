"""Conversations of random tokens, and their answers by an engine that reads every prompt from its beginning."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.engine.interface import BatchState, EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.export.timed_generation import generate

TURNS = 5
"""Questions in each conversation; more would not fit the least KV cache."""

TOGETHER = 4
"""Conversations that ask at the same time."""

ANSWER_TOKENS = 16

_QUESTION_TOKENS = 60, 160
_FIRST_ID = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """The prompt of a question, with everything before it, and the right answer to it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


class _UncachedEngine:
    """An engine that finds nothing of a prompt in its cache; also its observer."""

    def __init__(self, options: EngineOptions, random_ids: Callable[[int], tuple[int, ...]]) -> None:
        self._engine = EngineSupervisor(options, self)
        self._random_ids = random_ids
        self._cached = 0

    async def start(self) -> None:
        await self._engine.start()

    async def answer(self, prompt: tuple[int, ...]) -> tuple[int, ...]:
        """Return the answer to a prompt that was read from its first token on."""
        facts = self._engine.facts
        assert facts is not None  # it is loaded
        for _ in range(2):  # these take the place of everything that is cached
            await generate(self._engine, self._random_ids(facts.cache_tokens * 2 // 3), 1)
        answer = await generate(self._engine, prompt, ANSWER_TOKENS)
        assert not self._cached, f"{self._cached} tokens were cached"
        return answer.ids

    async def close(self) -> None:
        await self._engine.close()

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:  # noqa: ARG002 - it has no disk cache
        self._cached = cached

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it; nothing is cached then."""


async def make_rounds(options: EngineOptions, vocabulary: int, count: int, draw: random.Random) -> list[list[Turn]]:
    """Return what each round asks at the same time: the next turns of some conversations.

    Of two neighbours the second one has the first one's first question: the two part in the middle of a block.

    Args:
        options: without a disk cache.
        vocabulary: the model's tokens.

    Raises:
        ConfigurationError: the engine cannot start.
    """

    def random_ids(length: int) -> tuple[int, ...]:
        return tuple(draw.choices(range(_FIRST_ID, vocabulary), k=length))

    engine = _UncachedEngine(options, random_ids)
    await engine.start()
    rounds: list[list[Turn]] = []
    try:
        while len(rounds) < count:
            histories: list[tuple[int, ...]] = [()] * TOGETHER
            for turn in range(min(TURNS, count - len(rounds))):
                questions = [random_ids(draw.randint(*_QUESTION_TOKENS)) for _ in histories]
                if not turn:
                    questions = _in_pairs(questions)
                turns = [Turn(each, await engine.answer(each)) for each in map(_joined, histories, questions)]
                histories = [each.prompt + each.answer for each in turns]
                rounds.append(turns)
    finally:
        await engine.close()
    return rounds


def _in_pairs(questions: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [questions[number - number % 2] for number in range(len(questions))]


def _joined(history: tuple[int, ...], question: tuple[int, ...]) -> tuple[int, ...]:
    return history + question
