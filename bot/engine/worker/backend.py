"""What a backend is to the engine process's loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from bot.engine.interface import FinishReason, GenerationRequest, Outcome
from bot.engine.protocol import Ended, Event, Tokens

Emit: TypeAlias = Callable[[Event], None]


class Backend(Protocol):
    """A loaded model that generates for one or more requests, one step at a time, in a single thread.

    Each request that was added ends with exactly one `Ended` event.
    """

    @property
    def name(self) -> str:
        """The library and its version, for people."""
        ...

    @property
    def busy(self) -> bool:
        """Whether there is work left, so that `step` must be called again."""
        ...

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Take a request in. An exception refuses this request alone."""
        ...

    def end(self, request_id: int, reason: FinishReason) -> None:
        """End a request early for the given reason; an unknown id is ignored."""
        ...

    def step(self, poll: Callable[[], None]) -> None:
        """Do some work. A step that takes longer than a token calls `poll` at every token.

        `poll` may call `add` and `end`.
        """
        ...


def emit_tokens(emit: Emit, request_id: int, ids: list[int], stop_ids: frozenset[int]) -> bool:
    """Emit new token ids up to the first stop token.

    Returns:
        Whether a stop token was among them: nothing may be emitted for the request after it.
    """
    end = next((index for index, token in enumerate(ids) if token in stop_ids), len(ids))
    if end:
        emit(Tokens(request_id, tuple(ids[:end])))
    return end < len(ids)


def emit_end(emit: Emit, request_id: int, reason: FinishReason, detail: str = "") -> None:
    """Emit a request's last event."""
    emit(Ended(request_id, Outcome(reason, detail)))


def one_line(error: BaseException) -> str:
    """What an exception says, on one line.

    OpenVINO's messages begin with lines that name C++ source files; they mean nothing to a person and are left out.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    text = " ".join(telling or [line for line in lines if line])
    return text or type(error).__name__
