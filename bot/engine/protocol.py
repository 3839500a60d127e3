"""What travels through the pipe between the bot's process and the engine process.

The bot sends one command at a time; the engine process sends lists of events. All are plain data that pickles
without OpenVINO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bot.engine.interface import BatchState, EngineFacts, GenerationRequest, Outcome


@dataclass(frozen=True, slots=True)
class Submit:
    """Begin a request. Its id is unique within one life of the engine process."""

    request_id: int
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a request early. An id that has already ended is ignored."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Leave as soon as the step at hand is done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One line for people about what the start-up is doing."""

    line: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded and warm; requests are answered from here on."""

    facts: EngineFacts


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine cannot start; the line names the cause and the way out. The process ends after it.

    Attributes:
        line: the line.
        no_memory: whether the cause is that the model does not fit into the memory that is left.
    """

    line: str
    no_memory: bool = False


@dataclass(frozen=True, slots=True)
class PromptTaken:
    """A request's prompt entered the batch; the KV cache already held this many of its tokens."""

    request_id: int
    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is done: a sign of life, and what is in the batch."""

    state: BatchState


@dataclass(frozen=True, slots=True)
class Tokens:
    """Newly generated token ids of a request, at least one, without stop tokens."""

    request_id: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request."""

    request_id: int
    outcome: Outcome


Command: TypeAlias = Submit | Cancel | Shutdown
Event: TypeAlias = Progress | Ready | Refused | PromptTaken | Stepped | Tokens | Ended
