"""What is asked, and what an engine that nothing happens to answers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial

from bot.engine.interface import EngineOptions, GenerationRequest, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor

FEWEST_TOKENS = 30
MOST_TOKENS = 300

_BEGINNINGS = (40, 120, 200)
"""Lengths of the beginnings that prompts share, as conversations share their system prompt."""

_LONGEST_REST = 60
_ONE_IN_DRAWS_AT_RANDOM = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and how its answer is chosen. Its answer of any length is the beginning of its longest one."""

    prompt_ids: tuple[int, ...]
    sampling: Sampling

    def request(self, tokens: int, *, prefill_only: bool = False) -> GenerationRequest:
        """Ask for an answer of exactly so many tokens."""
        return GenerationRequest(
            self.prompt_ids, frozenset(), tokens, sampling=self.sampling, prefill_only=prefill_only
        )


def make_questions(count: int, vocabulary: int, draw: random.Random) -> list[Question]:
    """Make questions out of random tokens below the vocabulary's size; some draw their answers at random."""
    token_ids = partial(draw.choices, range(3, vocabulary))
    beginnings = [tuple(token_ids(k=length)) for length in _BEGINNINGS]
    return [
        Question(
            prompt_ids=draw.choice(beginnings) + tuple(token_ids(k=draw.randint(1, _LONGEST_REST))),
            sampling=Sampling(temperature=1.0, top_k=50, seed=number)
            if number % _ONE_IN_DRAWS_AT_RANDOM == 0
            else Sampling(),
        )
        for number in range(count)
    ]


async def undisturbed_answers(options: EngineOptions, questions: list[Question]) -> list[tuple[int, ...]]:
    """Ask an engine of its own, and end it.

    Returns:
        the longest answer to each question, as token ids.

    Raises:
        ConfigurationError: the engine cannot start.
    """
    engine = EngineSupervisor(options)
    await engine.start()
    try:
        return await asyncio.gather(*(_answer(engine, question) for question in questions))
    finally:
        await engine.close()


async def _answer(engine: EngineSupervisor, question: Question) -> tuple[int, ...]:
    pieces = [piece async for piece in engine.submit(question.request(MOST_TOKENS))]
    return tuple(token for piece in pieces for token in piece)
