"""What a backend is to the engine process's loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from bot.engine.interface import BatchState, FinishReason, GenerationRequest, Outcome
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
    def cache_tokens(self) -> int:
        """How many tokens the KV cache that all requests share holds; 0 where there is none."""
        ...

    @property
    def cache_bytes(self) -> int:
        """What that cache takes when it is full."""
        ...

    @property
    def busy(self) -> bool:
        """Whether there is work left, so that `step` must be called again."""
        ...

    @property
    def state(self) -> BatchState:
        """What is being done right now."""
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


def no_room_detail(request: GenerationRequest, cache_tokens: int) -> str:
    """Why a request will never run: not even alone in the KV cache."""
    tokens = len(request.prompt_ids) + request.max_new_tokens
    return f"Question and answer may take {tokens:,} tokens; the engine's memory for them holds {cache_tokens:,}."


def one_line(error: BaseException) -> str:
    """What an exception says, on one line.

    OpenVINO's messages begin with lines that name C++ source files; they mean nothing to a person and are left out.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    text = " ".join(telling or [line for line in lines if line])
    return text or type(error).__name__
