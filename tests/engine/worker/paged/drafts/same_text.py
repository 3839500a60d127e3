"""What answers with drafts are compared with, and what is asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bot.engine.interface import FinishReason, GenerationRequest, Outcome, Sampling
from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import Driver, options

VOCABULARY = 32_000
STOP = 31_999

_words = random.Random(0)
TEXT = tuple(_words.choices(range(3, 31_000), k=400))
PROMPTS = [TEXT[:length] for length in (1, 27, 32, 64, 90)]
SAMPLINGS = (
    Sampling(),
    Sampling(repetition_penalty=1.3),
    Sampling(temperature=1.0, seed=1),
    Sampling(temperature=0.5, top_k=20, seed=2),
    Sampling(temperature=1.5, top_p=0.8, seed=3),
    # A penalty below 1 is a reward: the answer repeats itself, and prompt lookup has something to draft.
    Sampling(repetition_penalty=0.1),
    Sampling(temperature=0.8, top_k=50, top_p=0.9, repetition_penalty=0.1, seed=4),
)


class Plain:
    """What an engine without drafts answers.

    Args:
        properties: of the device, where other than in exact tests.
    """

    def __init__(self, model_dir: Path, **properties: str) -> None:
        chosen = options(model_dir, max_batch=64)
        chosen = replace(chosen, properties={**chosen.properties, **properties})
        self._driver = Driver(lambda emit: PagedBackend(chosen, emit, 600))
        self._answers: dict[GenerationRequest, tuple[list[int], list[Outcome]]] = {}

    def learn(self, asked: Sequence[GenerationRequest]) -> None:
        """Answer requests together, which is faster."""
        ids = {each: self._driver.add(each) for each in asked if each not in self._answers}
        self._driver.run()
        for each, number in ids.items():
            self._answers[each] = self._driver.ids(number), self._driver.outcomes(number)

    def answer(self, asked: GenerationRequest) -> tuple[list[int], list[Outcome]]:
        """An answer and its outcome."""
        self.learn([asked])
        return self._answers[asked]

    def next_tokens(self, sequence: RunningRequest, count: int) -> Sequence[int]:
        """Those that follow, the stop token included, and one more than wanted."""
        ids, [outcome] = self.answer(sequence.request)
        end = sequence.request.stop_ids - {STOP} if outcome.reason is FinishReason.STOP else ()
        return [*ids, *end][sequence.new_tokens :][: count + 1]


def all_requests(plain: Plain) -> list[GenerationRequest]:
    """Prompts and samplings, some with a stop token in the middle of the answer."""
    asked = [
        request(*prompt, limit=25 + index, sampling=sampling)
        for index, prompt in enumerate(PROMPTS)
        for sampling in SAMPLINGS
    ]
    plain.learn(asked)
    stopped = [replace(each, stop_ids=frozenset({plain.answer(each)[0][13], STOP})) for each in asked[::4]]
    plain.learn(stopped)
    return asked + stopped


def check(driver: Driver, plain: Plain, asked: Sequence[GenerationRequest]) -> None:
    ids = {driver.add(each): each for each in asked}
    driver.run()
    for number, each in ids.items():
        assert (driver.ids(number), driver.outcomes(number)) == plain.answer(each)


def wrong(tokens: Sequence[int]) -> list[int]:
    return [(token + 1) % VOCABULARY for token in tokens]


def half_right(right: Sequence[int], count: int) -> list[int]:
    return [*right[: count // 2], *wrong(right[count // 2 :])]
