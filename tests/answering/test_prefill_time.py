"""The estimates of prefills, on an engine of known speed in virtual time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from statistics import median

import pytest

from bot.answering.first_estimate import FirstEstimate
from bot.answering.prefill_time import PrefillTimes

TOKEN_SECONDS = 0.015
TOKEN_SECONDS_BY_PAST = 1e-6
"""A token takes longer the more there are before it."""
BASE_SECONDS = 0.3
"""However short a prompt is."""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Prompt:
    tokens: int
    rest: float
    estimate: FirstEstimate


def reading_seconds(tokens: int) -> float:
    """How long the engine reads a prompt if it has no other."""
    return BASE_SECONDS + tokens * TOKEN_SECONDS + tokens**2 / 2 * TOKEN_SECONDS_BY_PAST


class Engine:
    """Reads one prompt at a time, the shortest rest first, as the default backend does."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.times = PrefillTimes(self.clock)
        self.prompts: list[Prompt] = []
        self.reported: list[tuple[float, float]] = []

    def ask(self, tokens: int) -> float | None:
        estimate = FirstEstimate(lambda *each: self.reported.append(each), self.clock)
        prompt = Prompt(tokens, reading_seconds(tokens), estimate)
        prefill = self.times.begin(id(prompt), tokens)
        estimate.add(prefill.seconds)
        self.prompts.append(prompt)
        return prefill.seconds

    def run(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.prompts and self.clock.now < end:
            prompt = min(self.prompts, key=lambda each: each.rest)
            step = min(prompt.rest, end - self.clock.now)
            self.clock.now += step
            prompt.rest -= step
            if prompt.rest <= 0:
                self.prompts.remove(prompt)
                self.times.end(id(prompt), is_read=True)
                prompt.estimate.happened()
        self.clock.now = end


def test_most_estimates_of_long_prefills_are_right_within_a_third_under_load() -> None:
    engine, draw = Engine(), random.Random(1)
    for _ in range(600):
        engine.ask(int(draw.choice([draw.uniform(20, 100), draw.uniform(200, 3000)])))
        engine.run(draw.expovariate(1 / 35))
    long = [estimated / real for estimated, real in engine.reported if max(estimated, real) >= 5]
    assert len(long) > 100
    assert sum(0.75 <= ratio <= 1.33 for ratio in long) / len(long) >= 0.85
    assert 0.9 < median(long) < 1.1


def test_short_prompts_do_not_spoil_what_long_ones_taught() -> None:
    engine = Engine()
    engine.ask(2000)
    engine.run(1000)
    for _ in range(50):
        engine.ask(30)
        engine.run(10)
    assert engine.ask(2000) == pytest.approx(reading_seconds(2000), rel=0.1)


def test_those_that_are_read_first_count_with_what_is_left_of_them() -> None:
    engine = Engine()
    engine.ask(1000)
    engine.run(1000)
    alone = reading_seconds(1000)
    assert engine.ask(1000) == pytest.approx(alone, rel=0.05)
    assert engine.ask(1000) == pytest.approx(2 * alone, rel=0.05)
    engine.run(alone / 2)
    assert engine.ask(1000) == pytest.approx(2.5 * alone, rel=0.05)
    assert engine.ask(20) == pytest.approx(alone / 50, rel=0.05), "the others are longer"


def test_what_is_given_up_teaches_nothing_and_delays_nobody() -> None:
    times = PrefillTimes(clock := Clock())
    times.begin("a", 1000)
    clock.now += 1
    times.end("a", is_read=False)
    assert times.begin("b", 1000).seconds is None
    clock.now += 10
    times.end("b", is_read=True)
    times.begin("c", 500)
    times.end("c", is_read=False)
    assert times.begin("d", 1000).seconds == pytest.approx(10)


def test_another_model_starts_over() -> None:
    times = PrefillTimes(clock := Clock())
    times.begin("a", 1000)
    clock.now += 10
    times.end("a", is_read=True)
    times.forget()
    assert times.begin("b", 1000).seconds is None


def test_a_prefill_is_long_beyond_five_seconds_or_where_that_is_likely() -> None:
    times = PrefillTimes(clock := Clock())
    assert not times.begin("a", 250).is_long
    assert times.begin("a", 251).is_long
    clock.now += 2.51
    times.end("a", is_read=True)
    assert not times.begin("b", 500).is_long
    times.end("b", is_read=False)
    assert times.begin("b", 501).is_long
