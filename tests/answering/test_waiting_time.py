"""The estimates of waiting, under loads that are scripted in virtual time."""

from __future__ import annotations

import random
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

import pytest

from bot.answering.first_estimate import FirstEstimate
from bot.answering.queue import QuestionQueue, Ticket
from bot.answering.throughput import DecodePace
from bot.answering.waiting_time import WaitingTimes
from tests.answering.answers import queue_of

STEP_SECONDS = 0.2


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Asked:
    ticket: Ticket
    length: int
    estimate: FirstEstimate
    running: ExitStack = field(default_factory=ExitStack)
    started: bool = False
    read_until: float = 0.0
    tokens: int = 0


class Load:
    """A bot whose people ask at random, on an engine that needs 200 ms for a token, and 4 % more for each answer."""

    def __init__(self, most_running: int, seed: int) -> None:
        self.clock = Clock()
        self.random = random.Random(seed)
        self.queue: QuestionQueue = queue_of(most_running)
        self.times = WaitingTimes(self.queue, self.clock)
        self.reported: list[tuple[float, float]] = []
        self.asked: list[Asked] = []
        self._people = 0

    def ask(self, length: int, person: str = "") -> Asked:
        self._people += 1
        ticket = self.queue.join("here", person or f"person {self._people}")
        report = FirstEstimate(lambda estimated, real: self.reported.append((estimated, real)), self.clock)
        asked = Asked(ticket, length, report)
        self.asked.append(asked)
        if ticket.position:
            report.add(self.times.seconds_to_start(ticket))
        return asked

    def step(self) -> None:
        """Generate the next token of every running answer."""
        running = [each for each in self.asked if each.ticket.position == 0]
        self.clock.now += STEP_SECONDS * (1 + 0.04 * len(running))
        for each in running:
            if not each.started:
                each.started = True
                each.estimate.happened()
                each.running.enter_context(self.times.running(each.ticket))
                each.read_until = self.clock.now + self.random.uniform(0.5, 4.0)
            elif self.clock.now >= each.read_until:
                each.tokens += 1
                self.times.add_tokens(each.ticket, 1)
                if each.tokens == each.length:
                    each.running.close()
                    each.ticket.leave()
                    self.asked.remove(each)

    def run(self, seconds: float, questions_a_minute: float, people: int = 0) -> None:
        """Let questions come, from so many people in one conversation, or each from somebody else."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            before = self.clock.now
            self.step()
            if self.random.random() < questions_a_minute * (self.clock.now - before) / 60:
                person = f"person {self.random.randrange(people)}" if people else ""
                self.ask(min(int(self.random.lognormvariate(4.5, 0.7)), 400), person)

    @property
    def shares_within(self) -> float:
        """The share of the estimates of 5 s or more that the real time exceeds or misses by less than half of it."""
        ratios = [estimated / max(real, 0.1) for estimated, real in self.reported if max(estimated, real) >= 5]
        assert len(ratios) > 30
        return sum(1 / 1.5 <= ratio <= 1.5 for ratio in ratios) / len(ratios)


@pytest.mark.parametrize(
    ("most_running", "questions_a_minute", "people"),
    [(1, 2.3, 0), (4, 8.0, 0), (8, 14.0, 0), (8, 6.0, 4), (4, 7.0, 6)],  # with few people many wait for own questions
)
def test_at_least_half_of_the_estimates_are_right_within_a_half_under_a_steady_load(
    most_running: int, questions_a_minute: float, people: int
) -> None:
    load = Load(most_running, seed=most_running)
    load.run(3600, questions_a_minute, people)
    assert load.shares_within >= 0.5
    assert 0.8 < median(estimated / max(real, 0.1) for estimated, real in load.reported) < 1.25


def test_nothing_is_estimated_before_an_answer_has_ended() -> None:
    load = Load(1, seed=0)
    load.ask(5)
    waiting = [load.ask(5).ticket for _ in range(4)]
    while len(load.asked) > 4:
        assert load.times.seconds_to_start(waiting[-1]) is None
        load.step()
    assert load.times.seconds_to_start(waiting[-1]) is not None


def learnt(most_running: int, length: int) -> Load:
    """A load whose latest answers were all of one length, and which has nothing to do now."""
    load = Load(most_running, seed=0)
    for _ in range(10):
        load.ask(length)
        while load.asked:
            load.step()
    return load


def test_what_comes_before_counts_and_what_a_running_answer_has_already_does_not() -> None:
    load = learnt(1, length=100)
    running = load.ask(100)
    first, second = load.ask(100), load.ask(100)

    def seconds(asked: Asked) -> float:
        estimate = load.times.seconds_to_start(asked.ticket)
        assert estimate is not None
        return estimate

    while running.tokens < 20:
        load.step()
    assert seconds(first) == pytest.approx(80 * STEP_SECONDS * 1.04, rel=0.05)
    assert seconds(second) - seconds(first) == pytest.approx(100 * STEP_SECONDS * 1.04 + 2, rel=0.2)
    while running.tokens < 90:
        load.step()
    assert seconds(first) == pytest.approx(10 * STEP_SECONDS * 1.04, rel=0.05)


def test_an_answer_longer_than_all_before_ends_sometime() -> None:
    load = learnt(1, length=10)
    running, waiting = load.ask(500), load.ask(10)
    while running.tokens < 100:
        load.step()
    estimate = load.times.seconds_to_start(waiting.ticket)
    assert estimate is not None
    assert 0 < estimate < 100 * STEP_SECONDS * 1.04


def test_an_estimate_is_never_below_zero() -> None:
    load = learnt(1, length=10)
    running, waiting = load.ask(10), load.ask(10)
    while running.tokens < 9:
        load.step()
    load.clock.now = float(int(load.clock.now) + 1)  # estimates stay for the rest of a second
    assert load.times.seconds_to_start(waiting.ticket) == pytest.approx(STEP_SECONDS * 1.04)
    load.clock.now += 0.9
    assert load.times.seconds_to_start(waiting.ticket) == 0


def test_ones_own_question_waits_for_the_earlier_one_although_others_may_start() -> None:
    load = learnt(4, length=100)
    own = load.queue.join("here", "Ada")
    load.asked.append(Asked(own, 100, FirstEstimate(lambda *_: None)))
    for _ in range(20):
        load.step()
    waiting = load.queue.join("here", "Ada")
    estimate = load.times.seconds_to_start(waiting)
    assert estimate is not None
    assert estimate > 80 * STEP_SECONDS


def test_another_model_starts_over() -> None:
    load = learnt(1, length=10)
    load.ask(10)
    waiting = load.ask(10)
    assert load.times.seconds_to_start(waiting.ticket) is not None
    load.times.forget()
    load.clock.now += 5
    assert load.times.seconds_to_start(waiting.ticket) is None
    while load.asked:  # what runs is followed on
        load.step()


def test_a_token_takes_as_long_as_with_about_as_many_answers() -> None:
    pace = DecodePace()
    assert pace.token_seconds(4) is None
    pace.add(1, 0.2, together=1)
    pace.add(4, 1.6, together=8)
    assert [pace.token_seconds(together) for together in (1, 3, 6, 8, 20)] == [0.2, 0.2, 0.4, 0.4, 0.4]


def test_old_paces_fade() -> None:
    pace = DecodePace()
    for seconds in [0.1] * 1000 + [0.3] * 500:
        pace.add(1, seconds, together=2)
    assert pace.token_seconds(2) == pytest.approx(0.3, rel=0.01)


def test_only_the_first_estimate_is_reported() -> None:
    clock = Clock()
    reported: list[tuple[float, float]] = []
    estimate = FirstEstimate(lambda *each: reported.append(each), clock)
    estimate.happened()
    estimate.add(None)
    clock.now += 1
    estimate.add(20.0)
    clock.now += 2
    estimate.add(5.0)
    clock.now += 3
    estimate.happened()
    estimate.happened()
    assert reported == [(20.0, 5.0)]
