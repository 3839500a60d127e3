"""The sampler, compared with transformers' own processors."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple

import numpy
import pytest
from numpy.typing import NDArray

from bot.engine.interface import Sampling
from bot.engine.worker.paged.sampler import choose_token

VOCABULARY = 40
DRAWS = 1500
SEEN = {3, 4, 5, 11, 17, 39}
CASES = (
    Sampling(temperature=1.0),
    Sampling(temperature=0.5),
    Sampling(temperature=1.8, top_k=7),
    Sampling(temperature=1.0, top_k=1),
    Sampling(temperature=1.0, top_k=1000),
    Sampling(temperature=0.7, top_p=0.5),
    Sampling(temperature=1.5, top_p=0.01),
    Sampling(temperature=1.5, top_p=0.999),
    Sampling(temperature=1.2, top_p=0.8, top_k=12),
    Sampling(temperature=1.0, repetition_penalty=1.7),
    Sampling(temperature=0.9, top_p=0.85, top_k=10, repetition_penalty=1.3, seed=2**32 - 1),
    Sampling(temperature=1.0, top_p=0.9, repetition_penalty=0.6),
)


def logits_of(case: int) -> NDArray[numpy.float32]:
    return numpy.random.default_rng(case).normal(0, 2, VOCABULARY).astype(numpy.float32)


def transformers_probabilities(cases: list[tuple[float, float, int, float]]) -> list[list[float]]:
    """transformers' probabilities for each case. Loads torch into the calling process for good."""
    import torch
    from transformers.generation import logits_process

    results = []
    for number, (temperature, top_p, top_k, penalty) in enumerate(cases):
        processors = [logits_process.RepetitionPenaltyLogitsProcessor(penalty)]
        processors.append(logits_process.TemperatureLogitsWarper(temperature))
        if top_k:
            processors.append(logits_process.TopKLogitsWarper(top_k))
        if top_p < 1:
            processors.append(logits_process.TopPLogitsWarper(top_p))
        scores = torch.tensor(logits_of(number))[None]
        for processor in processors:
            scores = processor(torch.tensor([sorted(SEEN)]), scores)
        results.append([float(value) for value in torch.softmax(scores[0].double(), 0)])
    return results


@pytest.fixture(scope="module")
def expected() -> list[list[float]]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(transformers_probabilities, [astuple(case)[:4] for case in CASES]).result()


@pytest.mark.parametrize("number", range(len(CASES)), ids=[repr(case) for case in CASES])
def test_tokens_are_drawn_as_often_as_by_transformers(number: int, expected: list[list[float]]) -> None:
    logits = logits_of(number)
    drawn = Counter(choose_token(logits, CASES[number], SEEN, position) for position in range(DRAWS))
    for token, probability in enumerate(expected[number]):
        scatter = (probability * (1 - probability) / DRAWS) ** 0.5
        assert abs(drawn[token] / DRAWS - probability) <= 5 * scatter, f"token {token}"
        assert drawn[token] or probability < 0.005, f"token {token} never comes"


@pytest.mark.parametrize("penalty", [0.6, 1.0, 1.3, 3.0])
def test_without_a_temperature_the_likeliest_comes_after_the_penalty(penalty: float) -> None:
    for number in range(50):
        logits = logits_of(number)
        before = logits.copy()
        factors = numpy.array([penalty if token in SEEN else 1.0 for token in range(VOCABULARY)])
        penalized = numpy.where(logits < 0, logits * factors, logits / factors)
        chosen = choose_token(logits, Sampling(repetition_penalty=penalty), SEEN, number)
        assert chosen == int(numpy.argmax(penalized))
        assert numpy.array_equal(logits, before), "the logits belong to the model"


def test_seed_and_position_decide_a_draw_and_nothing_else() -> None:
    logits = numpy.zeros(30_000, numpy.float32)

    def draws(seed: int) -> list[int]:
        return [choose_token(logits, Sampling(temperature=1.0, seed=seed), set(), position) for position in range(50)]

    assert draws(1) == draws(1)
    every = draws(0) + draws(1) + draws(2) + draws(2**32 - 1)
    assert len(set(every)) >= len(every) - 3  # among 30,000 tokens a few may repeat by chance


@pytest.mark.parametrize("sampling", [Sampling(temperature=1.0, top_k=50), Sampling(temperature=0.7, top_p=0.9)])
def test_rounding_that_swaps_nearly_equal_tokens_changes_no_draw(sampling: Sampling) -> None:
    random = numpy.random.default_rng(7)
    for position in range(500):
        logits = random.normal(0, 1, 32_064).astype(numpy.float32)
        rounded = (logits * (1 + random.normal(0, 1e-6, logits.shape))).astype(numpy.float32)
        chosen = choose_token(logits, sampling, set(), position)
        assert choose_token(rounded, sampling, set(), position) == chosen, f"position {position}"


@pytest.mark.parametrize(("top_k", "top_p", "reachable"), [(1, 1.0, 1), (3, 1.0, 3), (0, 0.1, 2), (0, 1e-9, 1)])
def test_top_k_and_top_p_limit_equally_likely_tokens(top_k: int, top_p: float, reachable: int) -> None:
    logits = numpy.full(20, 1.5, numpy.float32)
    sampling = Sampling(temperature=1.0, top_k=top_k, top_p=top_p)
    assert len({choose_token(logits, sampling, set(), position) for position in range(300)}) == reachable


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("temperature", [1e-300, 1e-6, 1.0, 2.0])
@pytest.mark.parametrize("scale", [1.0, 1e10, 1e38])
@pytest.mark.parametrize("offset", [-1e4, 0, 1e4])
def test_extreme_logits_and_temperatures_choose_the_likeliest(temperature: float, scale: float, offset: float) -> None:
    logits = (numpy.array([-3, 0.5, 3, 1, -2]) * scale + offset).astype(numpy.float32)
    if temperature >= 1 and scale == 1:
        logits[2] += 1000
    for top_p in (0.5, 1.0):
        sampling = Sampling(temperature=temperature, top_p=top_p, repetition_penalty=1.01)
        assert {choose_token(logits, sampling, {1}, position) for position in range(20)} == {2}


def test_impossible_tokens_are_never_drawn() -> None:
    logits = numpy.full(100, -numpy.inf, numpy.float32)
    logits[[7, 70]] = 0.0
    for top_k, top_p in ((0, 1.0), (50, 1.0), (0, 0.99)):
        sampling = Sampling(temperature=1.0, top_k=top_k, top_p=top_p, repetition_penalty=1.2)
        assert {choose_token(logits, sampling, {7, 8}, position) for position in range(60)} == {7, 70}
