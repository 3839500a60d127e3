"""What an engine is to the rest of the bot: token ids in, a stream of token ids out.

This module is plain data and protocols. It imports neither OpenVINO nor Discord, so both sides of the process
boundary and the core may use it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. The default is greedy, as in the Phi-3 cookbook's sample.

    Attributes:
        temperature: 0 chooses the likeliest token each time; above 0 draws at random.
        top_p: draw only among the likeliest tokens whose probabilities add up to this (0 to 1].
        top_k: draw only among this many likeliest tokens; 0 means all.
        repetition_penalty: above 1 makes tokens that were already used less likely.
        seed: makes a random draw repeatable.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to continue.

    Attributes:
        prompt_ids: the prompt's token ids, at least one.
        stop_ids: tokens that end the answer; they are not part of it.
        max_new_tokens: the longest answer, in tokens.
        time_limit_seconds: the longest that the request may take once the engine has it, waiting included.
        sampling: how tokens are chosen.
        prefill_only: read the prompt into the cache while the engine is idle, and generate nothing. Every other request
            preempts it, and it then ends with `CANCELLED`; what it has read stays in the cache.
    """

    prompt_ids: tuple[int, ...]
    stop_ids: frozenset[int]
    max_new_tokens: int
    time_limit_seconds: float = 600.0
    sampling: Sampling = field(default_factory=Sampling)
    prefill_only: bool = False


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "stop"  # the model ended its turn
    LENGTH = "length"  # max_new_tokens were generated
    CANCELLED = "cancelled"  # somebody asked for it
    TIMEOUT = "timeout"  # time_limit_seconds went by
    NO_ROOM = "no_room"  # prompt and answer do not fit the engine's cache, or the model's context
    FAILED = "failed"  # the engine refused or failed this request; the detail says why


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended: the reason, and for a failure one line that says more."""

    reason: FinishReason
    detail: str = ""


class Generation(Protocol):
    """One running request. Iterate it for new token ids; `outcome` is set when the iteration has ended."""

    outcome: Outcome | None

    def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        """Yield the newly generated token ids, one or more at a time, without stop tokens."""
        ...

    def cancel(self) -> None:
        """Ask the engine to stop. The iteration still ends by itself, with what was generated till then."""
        ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine process needs to load a model.

    Attributes:
        engine: `paged` (our continuous batching, for processors), `genai` (openvino-genai's, for other devices) or
            `optimum` (optimum-intel, the sample's own path).
        model_dir: a folder that `optimum-cli export openvino` wrote.
        device: an OpenVINO device name: `CPU`, `GPU`, `GPU.0`, `AUTO`…
        properties: OpenVINO plugin properties added to the engine's defaults.
        cache_gigabytes: size of the KV cache in GB; None takes what memory allows and the batch can use
            (not optimum).
        max_batch: the most requests generated together (not optimum).
        longest_pause_seconds: how long a newcomer's prompt may hold up answers that stream (paged only).
        hang_seconds: a process that neither reports a step nor computes for so long while work waits is taken for
            hung, and ended.
        trust_remote_code: let the model folder's own Python code run (optimum only).
    """

    engine: str
    model_dir: Path
    device: str = "CPU"
    properties: Mapping[str, str] = field(default_factory=dict)
    cache_gigabytes: float | None = None
    max_batch: int = 16
    longest_pause_seconds: float = 1.5
    hang_seconds: float = 10.0
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What a loaded engine says about itself.

    Attributes:
        engine: its name and version, for people: `openvino-genai 2026.4.1`.
        device: the device asked for, such as `CPU`.
        device_name: the device's full name, such as `Intel(R) Core(TM) …`.
        load_seconds: how long it took to load and warm up.
        loaded_at: when that was done, with a time zone.
        process_id: the engine process's id in the operating system.
        cache_tokens: how many tokens the KV cache holds; 0 for an engine that has none to share. No prompt and its
            answer can be longer.
        cache_bytes: what it takes when it is full.
        precision: the inference precision in effect, such as `f32`; empty where the device does not say.
    """

    engine: str
    device: str
    device_name: str
    load_seconds: float
    loaded_at: datetime
    process_id: int
    cache_tokens: int = 0
    cache_bytes: int = 0
    precision: str = ""


@dataclass(frozen=True, slots=True)
class BatchState:
    """What an engine is doing.

    Attributes:
        batch: how many requests are generated together right now.
        waiting: how many wait for room in the batch.
        cache_used: the part of the KV cache that these need, 0 to 1.
    """

    batch: int = 0
    waiting: int = 0
    cache_used: float = 0.0


class EngineObserver(Protocol):
    """Is told what an engine does, for people's numbers."""

    def engine_stepped(self, state: BatchState) -> None:
        """A step is done."""
        ...

    def prompt_read(self, tokens: int, cached: int) -> None:
        """A prompt of so many tokens is being read, of which the cache already held some."""
        ...

    def engine_restarted(self, cause: str) -> None:
        """The engine process was lost and is started again. The cause is `crashed` or `hung`."""
        ...


class Engine(Protocol):
    """Turns prompts into token streams without ever blocking the event loop."""

    @property
    def facts(self) -> EngineFacts | None:
        """What the loaded engine says about itself; None while it is not loaded."""
        ...

    @property
    def restarts(self) -> int:
        """How often the engine process was lost and started again."""
        ...

    def submit(self, request: GenerationRequest) -> Generation:
        """Hand a request over and return at once. Nothing is raised later: `Generation.outcome` tells."""
        ...

    async def close(self) -> None:
        """End every running request with `CANCELLED` and the engine process with it."""
        ...
