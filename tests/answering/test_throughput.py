"""The speed covers only the time in which tokens arrive."""

from __future__ import annotations

import pytest

from bot.answering.throughput import Throughput


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def tokens_at(throughput: Throughput, clock: Clock, gaps: list[float], tokens: int) -> None:
    for gap in gaps:
        clock.now += gap
        throughput.add(tokens)


def test_one_arrival_has_no_speed() -> None:
    throughput = Throughput()
    assert throughput.tokens_per_second is None
    throughput.add(5)
    assert throughput.tokens_per_second is None


def test_speed_is_tokens_over_the_time_between_arrivals() -> None:
    clock = Clock()
    throughput = Throughput(clock=clock)
    tokens_at(throughput, clock, [0, 0.5, 0.25, 0.25], 2)
    assert throughput.tokens_per_second == 6.0


def test_idle_time_does_not_count() -> None:
    clock = Clock()
    throughput = Throughput(clock=clock)
    tokens_at(throughput, clock, [0, 0.5, 5000, 0.5], 3)
    assert throughput.tokens_per_second == 6.0


def test_a_step_after_a_gap_does_not_count_however_many_tokens_it_gave() -> None:
    clock = Clock()
    throughput = Throughput(clock=clock)
    step = [0.001, 0.001, 0.0, 0.002]
    tokens_at(throughput, clock, [0.0, *step], 1)
    assert throughput.tokens_per_second is None
    for gap in (1.5, 0.5, 1.5, 0.5):  # a long prompt is read in every second step
        tokens_at(throughput, clock, [gap, *step], 1)
    assert throughput.tokens_per_second == pytest.approx(10 / (2 * 0.504))


def test_a_fast_model_has_a_speed() -> None:
    clock = Clock()
    throughput = Throughput(clock=clock)
    tokens_at(throughput, clock, [0.001] * 100, 2)
    assert throughput.tokens_per_second == pytest.approx(2000)


def test_only_the_latest_arrivals_count() -> None:
    clock = Clock()
    throughput = Throughput(window=3, clock=clock)
    tokens_at(throughput, clock, [0.5] * 5, 100)
    tokens_at(throughput, clock, [0.5] * 3, 1)
    assert throughput.tokens_per_second == 2.0
