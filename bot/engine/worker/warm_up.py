"""Runs the model before the first request: the first use builds kernels and repacks weights."""

from __future__ import annotations

import sys
import time

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.protocol import Ended, Event, Warned
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.backend import Backend
from bot.errors import ConfigurationError

ROUNDS = ((32, 48), (256,))
"""Lengths of the prompts in each round, in tokens: first a small batch, then a step of the default size."""

ENOUGH_SECONDS = 20.0
"""After this, another round on so slow a machine is not worth the wait."""

NEW_TOKENS = 4


def warm_up(backend: Backend, limits: ModelLimits, events: list[Event]) -> None:
    """Generate a few tokens for made-up prompts.

    Args:
        events: the backend's events; only warnings are left afterwards.

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
    events[:] = [event for event in events if isinstance(event, Warned)]
