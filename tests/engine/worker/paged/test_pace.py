"""The number of prompt tokens in a step, on simulated machines."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from bot.engine.worker.paged.pace import Pace

PAUSE_SECONDS = 1.5
STEP_SECONDS = 4.0


@dataclass
class Machine:
    """A simulated machine.

    Attributes:
        step_seconds: base duration of a step.
        token_seconds: added by each prompt token.
        scatter: a step may take longer or shorter by this share.
    """

    step_seconds: float
    token_seconds: float
    scatter: float = 0.0
    randomness: random.Random = field(default_factory=lambda: random.Random(0))

    def seconds(self, prompt_tokens: int) -> float:
        usual = self.step_seconds + prompt_tokens * self.token_seconds
        return usual * (1 + self.scatter * self.randomness.uniform(-1, 1))


def two_cores(scatter: float = 0.0) -> Machine:
    """The full-size model on two cores."""
    return Machine(step_seconds=0.13, token_seconds=0.0125, scatter=scatter)


def new_pace() -> Pace:
    return Pace(PAUSE_SECONDS, STEP_SECONDS)


def generate(pace: Pace, machine: Machine, steps: int = 7) -> None:
    for _ in range(steps):
        pace.learn(machine.seconds(0), 0)


def read(pace: Pace, machine: Machine, steps: int, *, others_stream: bool) -> list[float]:
    """Prefill for this many steps, and return how long each took."""
    durations = []
    for _ in range(steps):
        tokens = pace.prompt_tokens(others_stream=others_stream)
        durations.append(machine.seconds(tokens))
        pace.learn(durations[-1], tokens)
    return durations


@pytest.mark.parametrize("answers_came_first", [True, False])
@pytest.mark.parametrize(("others_stream", "limit"), [(True, PAUSE_SECONDS), (False, STEP_SECONDS)])
@pytest.mark.parametrize(("step", "token", "scatter"), [(0.13, 0.0125, 0.2), (0.4, 0.05, 0.0), (0.02, 0.005, 0.0)])
def test_steps_use_their_limit(
    step: float, token: float, scatter: float, others_stream: bool, limit: float, answers_came_first: bool
) -> None:
    pace, machine = new_pace(), Machine(step, token, scatter)
    if answers_came_first:
        generate(pace, machine)
    read(pace, machine, 7, others_stream=others_stream)
    durations = read(pace, machine, 50, others_stream=others_stream)
    assert max(durations) < limit
    assert sum(durations) / len(durations) > limit / 2, "short steps cost more in all"


def test_a_prompt_whose_tokens_become_slower_keeps_the_limit() -> None:
    pace, machine = new_pace(), two_cores(scatter=0.1)
    generate(pace, machine)
    durations, past = [], 0
    while past < 4000:
        tokens = pace.prompt_tokens(others_stream=True)
        durations.append(machine.seconds(tokens) + tokens * past * 4e-6)  # twice as slow after 3,000 tokens
        pace.learn(durations[-1], tokens)
        past += tokens
    assert max(durations) < PAUSE_SECONDS
    assert len(durations) < 120


def test_the_first_step_is_small() -> None:
    assert new_pace().prompt_tokens(others_stream=True) == 64
    assert new_pace().prompt_tokens(others_stream=False) == 64


def test_a_prompt_progresses_even_on_a_machine_that_is_too_slow() -> None:
    pace, slow = new_pace(), Machine(step_seconds=5.0, token_seconds=1.0)
    generate(pace, slow)
    read(pace, slow, 10, others_stream=True)
    assert pace.prompt_tokens(others_stream=True) == 4
    assert pace.prompt_tokens(others_stream=False) == 40, "most of the time must go to the prompt"


def test_a_step_never_takes_more_than_the_most() -> None:
    pace, fast = Pace(PAUSE_SECONDS, STEP_SECONDS, most=500), Machine(1e-4, 1e-6)
    read(pace, fast, 10, others_stream=False)
    assert pace.prompt_tokens(others_stream=True) == pace.prompt_tokens(others_stream=False) == 500


def test_steps_too_short_for_the_clock_do_no_harm() -> None:
    pace, beyond_the_clock = new_pace(), Machine(0.0, 0.0)
    generate(pace, beyond_the_clock)
    read(pace, beyond_the_clock, 10, others_stream=False)
    assert pace.prompt_tokens(others_stream=True) == 1024


@pytest.mark.parametrize("prompt_tokens", [0, 80])
def test_a_single_slow_step_changes_nothing(prompt_tokens: int) -> None:
    pace, machine = new_pace(), two_cores()
    generate(pace, machine)
    read(pace, machine, 10, others_stream=True)
    before = pace.prompt_tokens(others_stream=True)
    pace.learn(100 * machine.seconds(prompt_tokens), prompt_tokens)
    assert pace.prompt_tokens(others_stream=True) == pytest.approx(before, abs=1)


def test_a_first_step_that_builds_kernels_is_soon_forgotten() -> None:
    pace, machine = new_pace(), two_cores()
    pace.learn(15.0, 64)
    read(pace, machine, 3, others_stream=False)
    assert read(pace, machine, 1, others_stream=False)[0] > STEP_SECONDS / 3


@pytest.mark.parametrize("others_stream", [True, False])
def test_a_machine_that_becomes_three_times_slower_is_noticed_within_a_few_steps(others_stream: bool) -> None:
    pace, machine = new_pace(), two_cores()
    generate(pace, machine)
    read(pace, machine, 20, others_stream=others_stream)
    slow = Machine(3 * machine.step_seconds, 3 * machine.token_seconds)
    limit = PAUSE_SECONDS if others_stream else STEP_SECONDS
    assert max(read(pace, slow, 5, others_stream=others_stream)) > limit
    durations = read(pace, slow, 20, others_stream=others_stream)
    assert max(durations) < limit
    assert min(durations) > limit / 2
    # And back: it recovers.
    read(pace, machine, 5, others_stream=others_stream)
    assert min(read(pace, machine, 5, others_stream=others_stream)) > limit / 2
