"""Conversations of random tokens, and their answers by an engine that reads every prompt from its beginning."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bot.engine.interface import EngineOptions, GenerationRequest
from disk_cache_faults.uncached_engine import UncachedEngine

TURNS = 5
"""Questions in each conversation; more would not fit the least KV cache."""

TOGETHER = 4
"""Conversations that ask at the same time."""

ANSWER_TOKENS = 16

_QUESTION_TOKENS = 60, 160


@dataclass(frozen=True, slots=True)
class Turn:
    """The prompt of a question, with everything before it, and the right answer to it."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


async def make_rounds(options: EngineOptions, count: int, draw: random.Random) -> list[list[Turn]]:
    """Return what each round asks at the same time: the next turns of some conversations.

    Of two neighbours the second one has the first one's first question: the two part in the middle of a block.

    Args:
        options: without a disk cache.

    Raises:
        ConfigurationError: the engine cannot start.
    """
    rounds: list[list[Turn]] = []
    async with UncachedEngine(options) as engine:
        while len(rounds) < count:
            histories: list[tuple[int, ...]] = [()] * TOGETHER
            for number in range(min(TURNS, count - len(rounds))):
                questions = [engine.random_ids(draw.randint(*_QUESTION_TOKENS)) for _ in histories]
                if not number:
                    questions = _in_pairs(questions)
                prompts = [history + question for history, question in zip(histories, questions, strict=True)]
                turns = [Turn(each, await engine.answer(request_for(each))) for each in prompts]
                histories = [each.prompt + each.answer for each in turns]
                rounds.append(turns)
    return rounds


def request_for(prompt: tuple[int, ...]) -> GenerationRequest:
    """Return the request for the answer to a prompt."""
    return GenerationRequest(prompt, frozenset(), ANSWER_TOKENS)


def _in_pairs(questions: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    return [questions[number - number % 2] for number in range(len(questions))]
