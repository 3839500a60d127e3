"""The messages between supervisor and worker.

The supervisor sends single commands, the worker lists of events. All of them pickle without OpenVINO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bot.engine.interface import EngineFacts, Erasure, GenerationRequest, Outcome
from bot.engine.observer import BatchState
from bot.engine.usage import NO_USAGE, Usage
from bot.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Submit:
    """Start a request. No other that the worker has may have its id."""

    request_id: int
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a request early; no effect once it has ended."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase words from the caches; requests that run with them keep them until they end."""

    erasure: Erasure


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Exit after the current step."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A phase of the start, in one line for display."""

    line: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded and warm; the worker serves requests.

    Attributes:
        cached_messages: ids of the messages whose words the disk cache holds; None if it cannot be opened.
    """

    facts: EngineFacts
    cached_messages: frozenset[int] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Refused:
    """The worker cannot start, and exits.

    Attributes:
        line: the cause and the way out.
        kind: of the error that this means to whoever started the worker.
    """

    line: str
    kind: type[ConfigurationError] = ConfigurationError


@dataclass(frozen=True, slots=True)
class PromptTaken:
    """A request entered the batch; the caches held `cached_tokens` of its prompt, `disk_tokens` of these on disk."""

    request_id: int
    prompt_tokens: int
    cached_tokens: int
    disk_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the operator should know, in one line with the way out. The engine goes on."""

    line: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of the worker's log, which goes to the bot's.

    Attributes:
        arguments: of the template, each a number, a text or None.
        exception: the formatted traceback, or empty.
        message_id: of the question at hand.
    """

    level: int
    logger: str
    template: str
    arguments: tuple[str | int | float | None, ...] = ()
    exception: str = ""
    message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step has ended: a sign of life, with the load after it."""

    state: BatchState


@dataclass(frozen=True, slots=True)
class Tokens:
    """New token ids of a request, at least one, without stop tokens."""

    request_id: int
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event of a request, unless it was interrupted.

    Attributes:
        usage: what it took since the request's `PromptTaken`, beside what that says.
    """

    request_id: int
    outcome: Outcome
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class Interrupted:
    """What computed a request is gone, and the worker has forgotten it: it may be submitted again."""

    request_id: int


Command: TypeAlias = Submit | Cancel | Erase | Shutdown
Event: TypeAlias = Progress | Ready | Refused | Warned | Logged | PromptTaken | Stepped | Tokens | Interrupted | Ended
