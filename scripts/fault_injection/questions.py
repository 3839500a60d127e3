"""The questions, and their answers by an engine that no fault strikes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial

from bot.engine.interface import EngineOptions, GenerationRequest, Sampling
from bot.engine.supervisor.supervisor import EngineSupervisor

FEWEST_TOKENS = 30
MOST_TOKENS = 300

_PREFIX_LENGTHS = (40, 120, 200)
"""Lengths of the prefixes that prompts share, as conversations share their system prompt."""

_LONGEST_REST = 60
_ONE_IN_IS_SAMPLED = 4


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and its sampling. Every answer to it is a prefix of its longest answer."""

    prompt_ids: tuple[int, ...]
    sampling: Sampling

    def request(self, tokens: int, *, prefill_only: bool = False) -> GenerationRequest:
        """Return a request for an answer of exactly this many tokens."""
        return GenerationRequest(
            self.prompt_ids, frozenset(), tokens, sampling=self.sampling, prefill_only=prefill_only
        )


def make_questions(count: int, vocabulary: int, draw: random.Random) -> list[Question]:
    """Make questions out of random tokens below `vocabulary`; one in four samples its answer at random."""
    token_ids = partial(draw.choices, range(3, vocabulary))
    prefixes = [tuple(token_ids(k=length)) for length in _PREFIX_LENGTHS]
    return [
        Question(
            prompt_ids=draw.choice(prefixes) + tuple(token_ids(k=draw.randint(1, _LONGEST_REST))),
            sampling=Sampling(temperature=1.0, top_k=50, seed=number)
            if number % _ONE_IN_IS_SAMPLED == 0
            else Sampling(),
        )
        for number in range(count)
    ]


async def undisturbed_answers(options: EngineOptions, questions: list[Question]) -> list[tuple[int, ...]]:
    """Return the longest answer to each question, as token ids, by an engine started for this alone.

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
