"""The interface between the worker's loop and a backend, and what all backends emit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bot.engine.interface import Erasure, FinishReason, GenerationRequest, Outcome
from bot.engine.observer import BatchState
from bot.engine.protocol import Ended, Event, Tokens
from bot.engine.usage import NO_USAGE, Usage

if TYPE_CHECKING:
    from bot.engine.worker.paged.disk_cache.cache import DiskCache  # imports numpy's users

Emit: TypeAlias = Callable[[Event], None]


class Backend(Protocol):
    """A loaded model that serves requests step by step, in a single thread.

    Every added request ends with exactly one `Ended` event.
    """

    @property
    def name(self) -> str:
        """The library and its version, for display."""
        ...

    @property
    def cache_tokens(self) -> int:
        """Capacity of the shared KV cache in tokens; 0 without one."""
        ...

    @property
    def original_context(self) -> int | None:
        """The original context of a model with LongRoPE whose longer sequences are right too; None if none are."""
        ...

    @property
    def cache_bytes(self) -> int:
        """Memory of the full KV cache."""
        ...

    @property
    def draft_model(self) -> str:
        """The draft model's name for display; empty without one."""
        ...

    @property
    def disk_cache(self) -> DiskCache | None:
        """The disk cache; None without one."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `step` has work to do."""
        ...

    @property
    def state(self) -> BatchState:
        """The current load."""
        ...

    def open_disk_cache(self, device_name: str, precision: str) -> None:
        """Open the disk cache, if the backend and its options have one.

        Args:
            device_name: the device's full name.
            precision: of inference, as the device reports it.
        """
        ...

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Add a request. An exception refuses this request alone."""
        ...

    def end(self, request_id: int, reason: FinishReason) -> None:
        """End a request early; an unknown id is ignored."""
        ...

    def erase(self, erasure: Erasure) -> None:
        """Erase words from the caches, as far as the backend can."""
        ...

    def step(self, poll: Callable[[], None]) -> None:
        """Run one step. A step longer than a token calls `poll` after every token; `poll` may call `add` and `end`."""
        ...


class PlainBackend:
    """What a backend says that has no disk cache and no drafts of its own, and no shared KV cache unless it says so."""

    @property
    def cache_tokens(self) -> int:
        """0: nothing of one request serves another, as far as this process knows."""
        return 0

    @property
    def cache_bytes(self) -> int:
        """0: no memory is set aside for a cache."""
        return 0

    @property
    def original_context(self) -> int | None:
        """None: the library itself chooses LongRoPE's factors, and not for each sequence."""
        return None

    @property
    def draft_model(self) -> str:
        """None drafts here."""
        return ""

    @property
    def disk_cache(self) -> None:
        """None: there is none."""
        return

    def open_disk_cache(self, device_name: str, precision: str) -> None:
        """Do nothing: there is none."""


def emit_tokens(emit: Emit, request_id: int, ids: list[int], stop_ids: frozenset[int]) -> bool:
    """Emit new token ids up to the first stop token.

    Returns:
        Whether there was a stop token, which must be followed by the request's end.
    """
    end = next((index for index, token in enumerate(ids) if token in stop_ids), len(ids))
    if end:
        emit(Tokens(request_id, tuple(ids[:end])))
    return end < len(ids)


def emit_end(emit: Emit, request_id: int, reason: FinishReason, detail: str = "", usage: Usage = NO_USAGE) -> None:
    """Emit the last event of a request."""
    emit(Ended(request_id, Outcome(reason, detail), usage))


def no_room_detail(request: GenerationRequest, cache_tokens: int) -> str:
    """Detail for a request that would not fit the KV cache even alone."""
    tokens = len(request.prompt_ids) + request.max_new_tokens
    return f"Question and answer may take {tokens:,} tokens; the engine's memory for them holds {cache_tokens:,}."


def one_line(error: BaseException) -> str:
    """Return an exception's message on one line, without OpenVINO's leading lines about C++ sources."""
    lines = [line.strip() for line in str(error).splitlines()]
    useful = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    text = " ".join(useful or [line for line in lines if line])
    return text or type(error).__name__
