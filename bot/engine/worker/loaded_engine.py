"""What the worker serves requests with, however it was loaded."""

from __future__ import annotations

from dataclasses import dataclass

from bot.engine.interface import EngineFacts
from bot.engine.protocol import Event
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.backend import Backend


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """A loaded engine.

    Attributes:
        backend: serves the requests.
        limits: of every request.
        facts: for the bot.
        events: where the backend leaves its events; warnings of the start are in it.
        cached_messages: see `Ready`.
    """

    backend: Backend
    limits: ModelLimits
    facts: EngineFacts
    events: list[Event]
    cached_messages: frozenset[int] | None = frozenset()
