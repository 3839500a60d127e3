"""Runs a model once before anybody waits for it: kernels are built and weights repacked at the first use."""

from __future__ import annotations

import sys
import time

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.protocol import Ended, Event
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.backend import Backend
from bot.errors import ConfigurationError

ROUNDS = ((32, 48), (256,))
"""Tokens of the prompts that are read together: first a small batch, then a step of the default size."""

ENOUGH_SECONDS = 20.0
"""When the rounds so far took longer, the machine is too slow for another one to be worth the wait."""

NEW_TOKENS = 4


def warm_up(backend: Backend, limits: ModelLimits, events: list[Event]) -> None:
    """Generate a few tokens for made-up prompts, and forget them.

    Args:
        backend: the loaded model.
        limits: the model's own, which the prompts keep within.
        events: where the backend puts its events; empty afterwards.

    Raises:
        ConfigurationError: the model cannot generate.
    """
    started = time.monotonic()
    for prompt_lengths in ROUNDS:
        for number, length in enumerate(prompt_lengths):
            fitting = min(length, limits.context - NEW_TOKENS)
            prompt = tuple((number + index) % limits.vocabulary for index in range(fitting))
            backend.add(sys.maxsize - number, GenerationRequest(prompt, frozenset(), NEW_TOKENS))
        while backend.busy:
            backend.step(lambda: None)
        if time.monotonic() - started > ENOUGH_SECONDS:
            break
    for event in events:
        if isinstance(event, Ended) and event.outcome.reason is not FinishReason.LENGTH:
            raise ConfigurationError(f"the model does not generate: {event.outcome.detail or event.outcome.reason}")
    events.clear()
