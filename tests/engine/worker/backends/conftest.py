"""A backend that tests drive step by step in their own process, and openvino-genai's answers to compare with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from bot.engine.interface import EngineOptions, FinishReason, GenerationRequest, Outcome
from bot.engine.protocol import Ended, Event, PromptTaken, Tokens
from bot.engine.worker.backends.backend import Backend
from bot.engine.worker.backends.genai import GenaiBackend
from bot.engine.worker.backends.paged import PagedBackend
from tests.engine.conftest import request
from tests.inference_precision import EXACT

LENGTH = Outcome(FinishReason.LENGTH)
LONGEST_ANSWER = 40


def options(model_dir: Path, max_batch: int = 16, longest_pause_seconds: float = 1.5) -> EngineOptions:
    return EngineOptions(
        "paged",
        model_dir,
        # A second thread does not help so small a model.
        properties=EXACT | {"INFERENCE_NUM_THREADS": "1"},
        max_batch=max_batch,
        longest_pause_seconds=longest_pause_seconds,
    )


@pytest.fixture
def smallest_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read prompts in the smallest pieces beside answers, where `longest_pause_seconds` is 0.

    Half of a step is theirs otherwise, which holds whole prompts if a model is tiny.
    """
    monkeypatch.setattr("bot.engine.worker.paged.step._LEAST_WHILE_STREAMING", 0.0)


class Driver:
    """Stands in for the worker's loop, and keeps the events."""

    def __init__(self, load: Callable[[Callable[[Event], None]], Backend]) -> None:
        self.events: list[Event] = []
        self.backend = load(self.events.append)
        self.added = 0

    def add(self, asked: GenerationRequest) -> int:
        self.added += 1
        self.backend.add(self.added, asked)
        return self.added

    def step(self) -> list[Event]:
        """Run a step and return its events."""
        before = len(self.events)
        self.backend.step(lambda: None)
        return self.events[before:]

    def run(self) -> int:
        """Run until nothing is left to do; return the number of steps."""
        steps = 0
        while self.backend.busy:
            self.step()
            steps += 1
        return steps

    def answer(self, *prompt: int, limit: int = 20) -> list[int]:
        """Run a request to its end."""
        request_id = self.add(request(*prompt, limit=limit))
        self.run()
        assert self.outcomes(request_id) == [LENGTH]
        return self.ids(request_id)

    def ids(self, request_id: int) -> list[int]:
        pieces = [event.ids for event in self.events if isinstance(event, Tokens) and event.request_id == request_id]
        return [token for piece in pieces for token in piece]

    def outcomes(self, request_id: int) -> list[Outcome]:
        return [each.outcome for each in self.events if isinstance(each, Ended) and each.request_id == request_id]

    def cached(self, request_id: int) -> int | None:
        """Number of prompt tokens that the prefix cache held; None if the request never entered the batch."""
        taken = [each for each in self.events if isinstance(each, PromptTaken) and each.request_id == request_id]
        assert len(taken) <= 1
        return taken[0].cached_tokens if taken else None


Load: TypeAlias = Callable[..., Driver]
Expected: TypeAlias = Callable[[tuple[int, ...]], list[int]]


@pytest.fixture(scope="module")
def expected(tiny_model: Path) -> Expected:
    """openvino-genai's answer to a prompt."""
    driver = Driver(lambda emit: GenaiBackend(options(tiny_model), emit, 200))

    @functools.cache
    def answer(prompt: tuple[int, ...]) -> list[int]:
        return driver.answer(*prompt, limit=LONGEST_ANSWER)

    return answer


@pytest.fixture
def load(tiny_model: Path) -> Load:
    def load(blocks: int = 100, max_batch: int = 16, longest_pause_seconds: float = 1.5) -> Driver:
        return Driver(lambda emit: PagedBackend(options(tiny_model, max_batch, longest_pause_seconds), emit, blocks))

    return load
