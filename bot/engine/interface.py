"""The engine's interface: token ids in, a stream of token ids out.

Plain data and protocols without OpenVINO or Discord, so that the core and both sides of the process boundary can
import it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bot.engine.usage import Usage


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; greedy by default, as in the Phi-3 cookbook's sample.

    Attributes:
        temperature: 0 always takes the likeliest token; above 0 draws at random.
        top_p: draw among the fewest likeliest tokens whose probabilities add up to this, in (0, 1].
        top_k: draw among this many likeliest tokens; 0 means all.
        repetition_penalty: above 1 makes tokens that the answer already has less likely. Those of the prompt stay as
            they are (but not in `genai` and `openai`), because an answer needs the words of its question.
        seed: makes a random draw repeatable.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """Whose words a prompt holds from a token on, up to the next source.

    Attributes:
        start: index of the token.
        message_id: of the message that holds the words; an answer's words belong to the message that asked.
        author_id: of the message.
        channel_id: of the conversation, also where the message itself is elsewhere; of a persona, its scope.
    """

    start: int
    message_id: int
    author_id: int
    channel_id: int


@dataclass(frozen=True, slots=True)
class Erasure:
    """Words that must leave every cache of the engine, with all that was read after them.

    Concerns the sources that meet all criteria that are given; at least one must be.

    Attributes:
        number: grows with every erasure, also across restarts of the bot: a run begins at the time, in microseconds
            since the epoch.
        message_ids: of these messages.
        author_id: by this member.
        channel_ids: in these channels.
        before_id: of messages whose id is smaller, which are older.
    """

    number: int
    message_ids: frozenset[int] | None = None
    author_id: int | None = None
    channel_ids: frozenset[int] | None = None
    before_id: int | None = None

    def concerns(self, source: Source) -> bool:
        """Whether a source's words must go."""
        return (
            (self.message_ids is None or source.message_id in self.message_ids)
            and (self.author_id is None or source.author_id == self.author_id)
            and (self.channel_ids is None or source.channel_id in self.channel_ids)
            and (self.before_id is None or source.message_id < self.before_id)
        )


def first_erasure_number() -> int:
    """The number before a run's first erasure: higher than in all earlier runs, unless the clock was set back."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One prompt to continue.

    Attributes:
        prompt_ids: at least one token id.
        stop_ids: tokens that end the answer; they are not part of it.
        time_limit_seconds: counted from submission, waiting included.
        resumed_tokens: how many of the last prompt ids are the beginning of the answer, generated before a crash.
        prefill_only: prefill the prompt while the engine is idle, and generate nothing. Any other request ends it with
            `CANCELLED`; what it has read stays in the cache. While others run, it loads what the disk cache holds.
        sources: whose words the prompt holds, in the order of their starts; what comes before the first is nobody's.
        erasures: the number of the latest erasure when the prompt's conversation was read. Later ones may concern it.
        message_id: of the question, for the log; None for what answers none.
        conversation: identifies the conversation, whose prompts begin alike; empty if the prompt belongs to none.
    """

    prompt_ids: tuple[int, ...]
    stop_ids: frozenset[int]
    max_new_tokens: int
    time_limit_seconds: float = 600.0
    sampling: Sampling = field(default_factory=Sampling)
    resumed_tokens: int = 0
    prefill_only: bool = False
    sources: tuple[Source, ...] = ()
    erasures: int = 0
    message_id: int | None = None
    conversation: str = ""

    @property
    def question_length(self) -> int:
        """The length of the prompt without the beginning of the answer."""
        return len(self.prompt_ids) - self.resumed_tokens


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "stop"  # the model ended its turn
    LENGTH = "length"  # max_new_tokens were generated
    REPEATED = "repeated"  # the answer repeated itself; the bot says so, no engine does
    CANCELLED = "cancelled"  # the caller ended it
    TIMEOUT = "timeout"  # time_limit_seconds passed
    NO_ROOM = "no_room"  # prompt and answer do not fit the engine's cache, or the model's context
    FAILED = "failed"  # the engine refused the request or failed at it


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a generation ended.

    Attributes:
        detail: one line on a failure, for the log: it may hold paths and a library's own words.
        note: what to tell the member who asked, where the reason's usual note would mislead.
    """

    reason: FinishReason
    detail: str = ""
    note: str = ""


class Generation(Protocol):
    """A submitted request. Iterate it for new token ids; `outcome` is set when the iteration has ended.

    Attributes:
        on_prefill: called when the prompt enters the batch, with how many of its tokens no cache holds; after a crash
            again. Only `paged` and some servers know.
        usage: what it took so far; complete when the iteration has ended.
    """

    outcome: Outcome | None
    usage: Usage
    on_prefill: Callable[[int], None]

    def __aiter__(self) -> AsyncIterator[tuple[int, ...]]:
        """Yield new token ids, one or more at a time, without stop tokens."""
        ...

    def cancel(self) -> None:
        """Ask the engine to stop. The iteration then ends by itself, after the tokens generated so far."""
        ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What a worker needs to load a model.

    Attributes:
        engine: the backend: `paged` (our continuous batching, for processors), `genai` (openvino-genai's, for other
            devices), `optimum` (optimum-intel, the sample's own path) or `openai` (servers).
        model_dir: a folder that `optimum-cli export openvino` wrote; for `openai`, one with a tokenizer.
        device: an OpenVINO device name: `CPU`, `GPU`, `GPU.0`, `AUTO`…
        properties: OpenVINO properties of the device; they win over the engine's defaults.
        cache_gigabytes: size of the KV cache in GB; None means what memory allows and the batch can use
            (not optimum).
        disk_cache_dir: the folder of the disk cache (paged only); None is without one.
        disk_cache_gigabytes: its size in GB; None means a part of what is free on its disk.
        draft_tokens: upper bound of the tokens drafted for each answer and step; 0 drafts none (paged only).
        draft_model_dir: the folder of a draft model; None is without one (paged only).
        max_context_tokens: upper bound for a prompt and its answer; None leaves it to the model and to memory.
        max_batch: upper bound of requests in the batch (not optimum).
        longest_pause_seconds: how long a step may keep streaming answers waiting for a new prompt (paged only).
        hang_seconds: a worker with work that neither reports a step nor computes for this long counts as hung.
        trust_remote_code: run the model folder's own Python code (optimum only).
        server_urls: the servers of `openai`, see `bot.server_urls`.
        server_key: what they ask for; empty if nothing.
        server_model: the model's name there; empty means the one that they serve.
    """

    engine: str
    model_dir: Path
    device: str = "CPU"
    properties: Mapping[str, str] = field(default_factory=dict)
    cache_gigabytes: float | None = None
    disk_cache_dir: Path | None = None
    disk_cache_gigabytes: float | None = None
    draft_tokens: int = 0
    draft_model_dir: Path | None = None
    max_context_tokens: int | None = None
    max_batch: int = 16
    longest_pause_seconds: float = 1.5
    hang_seconds: float = 10.0
    trust_remote_code: bool = False
    server_urls: tuple[str, ...] = ()
    server_key: str = field(default="", repr=False)
    server_model: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Facts about a loaded engine.

    Attributes:
        engine: name and version for display, such as `openvino-genai 2026.4.1`.
        device: as configured, such as `CPU`.
        device_name: the device's full name, such as `Intel(R) Core(TM) …`.
        load_seconds: loading and warm-up.
        loaded_at: aware of its time zone.
        context_tokens: upper bound for a prompt and its answer.
        context_cause: what makes it shorter than the model's own context; empty if nothing does.
        cache_tokens: capacity of the KV cache; 0 without a shared cache.
        cache_bytes: memory of the full KV cache.
        disk_cache_bytes: upper bound of the disk cache; 0 without one.
        draft_model: name of the draft model for display; empty without one.
        precision: the inference precision in effect, such as `f32`; empty where the device does not say.
        properties: the device's, with which the model was loaded, on top of the backend's own.
        is_remote: whether servers compute, of which `device` names the hosts.
    """

    engine: str
    device: str
    device_name: str
    load_seconds: float
    loaded_at: datetime
    process_id: int
    context_tokens: int
    context_cause: str = ""
    cache_tokens: int = 0
    cache_bytes: int = 0
    disk_cache_bytes: int = 0
    draft_model: str = ""
    precision: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    is_remote: bool = False


class Engine(Protocol):
    """Turns prompts into token streams without ever blocking the event loop."""

    @property
    def facts(self) -> EngineFacts | None:
        """Facts about the loaded engine; None while it is not loaded."""
        ...

    @property
    def restarts(self) -> int:
        """How often the worker crashed or hung."""
        ...

    def submit(self, request: GenerationRequest) -> Generation:
        """Submit a request and return at once. A failure arrives as `Generation.outcome`, never as an exception."""
        ...

    async def close(self) -> None:
        """End every request with `CANCELLED`, and the worker."""
        ...
