"""Every supported architecture answers on paged attention as it does in torch, however its text gets there."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_models.architectures import (
    ARCHITECTURES,
    ORIGINAL_CONTEXT,
    VOCABULARY,
    torch_answers,
    write_architectures,
)

from bot.engine.worker.backends.paged import PagedBackend
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import Driver, options
from tests.shared_folder import shared_folder

QUICK = ("phi4-mini", "mistral")
"""What differs most from the other tests' models; `make test-long` tries the others."""

ANSWER_TOKENS = 10
BLOCKS = 400

_tokens = random.Random(0)
STORY = tuple(_tokens.choices(range(3, VOCABULARY), k=1536))
OTHER = tuple(_tokens.choices(range(3, VOCABULARY), k=1000))
SHORT = STORY[:90]
WITHIN = STORY[: ORIGINAL_CONTEXT - ANSWER_TOKENS]  # its answer ends at the original context
CROSSING = [STORY[: ORIGINAL_CONTEXT - kept] for kept in (4, 1, 0)]  # their answers grow across it
BEYOND = STORY[: ORIGINAL_CONTEXT + 1]
DIVERGING = (*STORY[:75], *OTHER[:40])
LATE_DIVERGING = (*STORY[:700], *OTHER[:40])
PROMPTS = (SHORT, DIVERGING, WITHIN, *CROSSING, BEYOND, LATE_DIVERGING, STORY, OTHER)


@dataclass(frozen=True)
class Architecture:
    """A model of one architecture, and torch's answers to `PROMPTS`."""

    model: Path
    answers: dict[tuple[int, ...], tuple[int, ...]]

    def load(self, longest_pause_seconds: float = 1.5) -> Driver:
        """Load it into an empty engine."""
        settings = options(self.model, longest_pause_seconds=longest_pause_seconds)
        return Driver(lambda emit: PagedBackend(settings, emit, BLOCKS))

    def check(self, driver: Driver, request_id: int, prompt: tuple[int, ...], already: int = 0) -> None:
        """Compare an answer with torch's, whose first `already` tokens were part of the prompt."""
        assert tuple(driver.ids(request_id)) == self.answers[prompt][already:], f"{len(prompt)} tokens"


def _parameter(name: str) -> object:
    return pytest.param(name, marks=[] if name in QUICK else pytest.mark.long)


@pytest.fixture(params=map(_parameter, ARCHITECTURES), scope="module")
def architecture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Architecture:
    # One process exports several, because most of its time goes to loading torch.
    quick = request.param in QUICK
    names = [name for name in ARCHITECTURES if (name in QUICK) == quick]
    folder = shared_folder(
        tmp_path_factory,
        f"architectures-{'quick' if quick else 'long'}",
        lambda folder: write_architectures(folder, names, PROMPTS, ANSWER_TOKENS),
    )
    return Architecture(folder / request.param, torch_answers(folder / request.param))


def test_a_prompt_alone(architecture: Architecture) -> None:
    for prompt in PROMPTS:
        driver = architecture.load()
        asked = driver.add(request(*prompt, limit=ANSWER_TOKENS))
        driver.run()
        architecture.check(driver, asked, prompt)


@pytest.mark.usefixtures("smallest_pieces")
@pytest.mark.parametrize(("neighbour", "prompt"), [(OTHER, WITHIN), (SHORT, STORY), (SHORT, CROSSING[0])])
def test_a_prompt_in_pieces_while_an_answer_streams(
    neighbour: tuple[int, ...], prompt: tuple[int, ...], architecture: Architecture
) -> None:
    driver = architecture.load(longest_pause_seconds=0)
    streaming = driver.add(request(*neighbour, limit=600))
    while len(driver.ids(streaming)) < ANSWER_TOKENS:
        driver.step()
    asked = driver.add(request(*prompt, limit=ANSWER_TOKENS))
    steps = 0
    while not driver.outcomes(asked):
        driver.step()
        steps += 1
    assert steps > ANSWER_TOKENS + 2  # so the prompt took several
    assert not driver.outcomes(streaming)
    architecture.check(driver, asked, prompt)
    assert tuple(driver.ids(streaming)[:ANSWER_TOKENS]) == architecture.answers[neighbour]


def test_prompts_of_all_lengths_beside_each_other(architecture: Architecture) -> None:
    for order in (PROMPTS, PROMPTS[::-1]):
        driver = architecture.load()
        asked = {driver.add(request(*prompt, limit=ANSWER_TOKENS)): prompt for prompt in order}
        driver.run()
        for request_id, prompt in asked.items():
            architecture.check(driver, request_id, prompt)


@pytest.mark.parametrize(
    ("prompts", "cached"),
    [
        ((SHORT, DIVERGING, WITHIN), [0, 75, 90]),
        ((BEYOND, STORY, LATE_DIVERGING), [0, 513, 700]),
        ((STORY, STORY), [0, 1535]),
    ],
)
def test_a_prefix_that_is_in_the_cache(
    prompts: tuple[tuple[int, ...], ...], cached: list[int], architecture: Architecture
) -> None:
    driver = architecture.load()
    for prompt, known in zip(prompts, cached, strict=True):
        asked = driver.add(request(*prompt, limit=ANSWER_TOKENS))
        driver.run()
        assert driver.cached(asked) == known
        architecture.check(driver, asked, prompt)


def test_a_prefix_that_was_read_for_a_sequence_of_another_length(architecture: Architecture) -> None:
    for prompts in ((SHORT, WITHIN, BEYOND, STORY), (STORY, BEYOND, WITHIN, SHORT), (*CROSSING, WITHIN, STORY)):
        driver = architecture.load()
        for prompt in prompts:
            asked = driver.add(request(*prompt, limit=ANSWER_TOKENS))
            driver.run()
            architecture.check(driver, asked, prompt)


@pytest.mark.parametrize("known", [1, 5, 9])
def test_an_answer_that_is_resumed_in_a_new_engine_or_in_the_same(known: int, architecture: Architecture) -> None:
    same = architecture.load()
    for prompt in (SHORT, WITHIN, *CROSSING, STORY):
        for driver in (same, architecture.load()):
            so_far = architecture.answers[prompt][:known]
            asked = driver.add(request(*prompt, *so_far, limit=ANSWER_TOKENS - known))
            driver.run()
            architecture.check(driver, asked, prompt, already=known)
