"""The default backend on processors: continuous batching that prefills in pieces of just the right size.

openvino-genai runs the same kernels, but prefills in pieces of one fixed size: either large ones hold up streaming
answers, or small ones slow every prompt down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import openvino

from bot.engine.interface import EngineOptions, Erasure, FinishReason, GenerationRequest
from bot.engine.observer import BatchState
from bot.engine.protocol import PromptTaken, Warned
from bot.engine.usage import NO_USAGE, Usage
from bot.engine.worker.backends.backend import Emit, emit_end, emit_tokens, no_room_detail
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.cache_memory import CacheMemory
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.disk_cache.opening import open_disk_cache
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.drafts.drafting import Drafting
from bot.engine.worker.paged.drafts.prompt_lookup import PromptLookup
from bot.engine.worker.paged.drafts.source import DraftSource
from bot.engine.worker.paged.model import PagedModel
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.schedule import RunningRequest
from bot.engine.worker.paged.sequence_cache import SequenceCache
from bot.engine.worker.paged.step import StepRunner
from bot.engine.worker.paged.step_cost import StepCost

_WAIT_FOR_DISK_SECONDS = 0.02
"""Upper bound, because a new request waits for as long."""


class PagedBackend:
    """Runs token ids through a `PagedModel`.

    A request enters the batch when the cache has room for its prompt and its longest answer, so no running request is
    ever preempted. Until then it waits, in order of arrival.
    """

    def __init__(self, options: EngineOptions, emit: Emit, blocks: int, drafter: DraftSource | None = None) -> None:
        """Load the model.

        Args:
            blocks: size of the KV cache.
            drafter: drafts what the conversation does not hold already. A draft model has a cache of as many blocks.

        Raises:
            ConfigurationError: the model cannot be batched.
            RuntimeError: OpenVINO cannot load it.
        """
        self._options = options
        self._emit = emit
        self._max_batch = options.max_batch
        self._model = PagedModel(options.model_dir, options.device, options.properties, blocks)
        self._draft_model = drafter if isinstance(drafter, DraftModel) else None
        others = [] if self._draft_model is None else [self._draft_model.model]
        self._memory = CacheMemory(self._model, *others)
        self._prefixes = PrefixCache(blocks, self._memory.copy_block)
        self._cache = SequenceCache(self._prefixes, self._memory.clear_after)
        self._cost = StepCost()
        self._drafting = Drafting(PromptLookup(), drafter, options.draft_tokens, self._cost)
        self._step = StepRunner(self._model, self._cache, self._drafting, self._cost, options.longest_pause_seconds)
        self._waiting: deque[RunningRequest] = deque()
        self._running: dict[int, RunningRequest] = {}
        self._prefill_only: dict[int, RunningRequest] = {}

    @property
    def name(self) -> str:
        """The library and its version."""
        return f"openvino {openvino.__version__.split('-')[0]}, paged attention"

    @property
    def cache_tokens(self) -> int:
        """Capacity of the KV cache for requests."""
        return self._room * BLOCK_TOKENS

    @property
    def original_context(self) -> int | None:
        """The original context of a model with LongRoPE."""
        return self._model.original_context

    @property
    def cache_bytes(self) -> int:
        """Memory of the KV cache."""
        return self._memory.size

    @property
    def draft_model(self) -> str:
        """The draft model's name; empty without one."""
        return "" if self._draft_model is None else self._draft_model.name

    @property
    def disk_cache(self) -> DiskCache | None:
        """The disk cache, if it is open."""
        return self._cache.disk

    @property
    def busy(self) -> bool:
        """Whether any request has not ended, or blocks are being moved to or from the disk."""
        disk = self.disk_cache
        return bool(self._running or self._waiting or self._prefill_only or (disk is not None and disk.busy))

    @property
    def state(self) -> BatchState:
        """The current load."""
        disk = self.disk_cache
        return BatchState(
            batch=len(self._running),
            waiting=len(self._waiting),
            cache_used=self._reserved / self._prefixes.capacity,
            disk_used_bytes=disk.used_bytes if disk is not None else 0,
            disk_written_bytes=disk.written_bytes if disk is not None else 0,
            drafted_tokens=self._drafting.drafted,
            accepted_tokens=self._drafting.accepted,
        )

    def open_disk_cache(self, device_name: str, precision: str) -> None:
        """Open the disk cache that the options name; without one, tell the operator why."""
        cost, drafter = self._cost, self._draft_model
        self._cache.disk = open_disk_cache(
            replace(self._options, draft_model_dir=None if drafter is None else drafter.folder),
            device_name,
            precision,
            self._memory.layout,
            self._prefixes,
            self._memory.block_bytes,
            lambda: cost.token_seconds,
            self._warn,
        )

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request for the batch. It preempts prefill-only requests that are being computed."""
        sequence = RunningRequest.of(request_id, request)
        if sequence.most_blocks > self._room:
            emit_end(self._emit, request_id, FinishReason.NO_ROOM, no_room_detail(request, self.cache_tokens))
        elif not request.prefill_only:
            for each in [each for each in self._prefill_only.values() if each.load is None]:
                self.end(each.request_id, FinishReason.CANCELLED)
            self._waiting.append(sequence)
        elif (self._running or self._waiting) and (self.disk_cache is None or not self._fits(sequence)):
            emit_end(self._emit, request_id, FinishReason.CANCELLED)
        else:
            self._prefill_only[request_id] = sequence

    def end(self, request_id: int, reason: FinishReason) -> None:
        """End a request before the next step. Its prefilled blocks stay in the cache."""
        sequence = self._running.pop(request_id, None) or self._prefill_only.pop(request_id, None)
        if sequence is None:
            sequence = next((each for each in self._waiting if each.request_id == request_id), None)
            if sequence is None:
                return
            self._waiting.remove(sequence)
        self._drafting.end(sequence)
        self._cache.release(sequence)
        drafts = self._options.draft_tokens > 0
        usage = Usage(drafted_tokens=sequence.drafted, accepted_tokens=sequence.accepted) if drafts else NO_USAGE
        emit_end(self._emit, request_id, reason, usage=usage)

    def erase(self, erasure: Erasure) -> None:
        """Erase words from the caches."""
        self._cache.erase(erasure)

    def step(self, poll: Callable[[], None]) -> None:  # noqa: ARG002 - a step is short
        """Prefill a piece of the prompts, and choose the next token of every answer."""
        if self.disk_cache is not None:
            self.disk_cache.poll()
        self._admit()
        self._serve_prefill_only()
        batch = [each for each in self._running.values() if self._is_loaded(each)]
        if not self._running:
            batch = [each for each in self._prefill_only.values() if each.load is None][:1]
        if batch:
            # A prefill-only step must be as short as if an answer streamed, so that a request can preempt it soon.
            self._step.run(batch, self._accept_token, brief=not self._running)
        elif self.disk_cache is not None:
            self.disk_cache.poll(_WAIT_FOR_DISK_SECONDS)

    @property
    def _room(self) -> int:
        """Blocks for requests; the others are for the copy that a prompt needs when it diverges inside a block, and
        for the block that is being moved to or from the disk.
        """
        return self._prefixes.capacity - (1 if self._options.disk_cache_dir is None else 2)

    @property
    def _reserved(self) -> int:
        return sum(each.most_blocks for each in (*self._running.values(), *self._prefill_only.values()))

    def _fits(self, sequence: RunningRequest) -> bool:
        return self._reserved + sequence.most_blocks <= self._room

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._max_batch:
            sequence = self._waiting[0]
            if not self._fits(sequence):
                if not self._prefill_only:
                    return
                self.end(next(iter(self._prefill_only)), FinishReason.CANCELLED)
                continue
            self._running[sequence.request_id] = self._waiting.popleft()
            self._end_loads_of_the_same(sequence)
            self._find_prefix(sequence)
            if sequence.load is None:
                self._emit_taken(sequence)

    def _end_loads_of_the_same(self, sequence: RunningRequest) -> None:
        """End what is being loaded ahead of this very request; it goes on from there."""
        for each in list(self._prefill_only.values()):
            if each.load is not None and each.load.tokens == sequence.tokens[: len(each.load.tokens)]:
                self.end(each.request_id, FinishReason.CANCELLED)

    def _serve_prefill_only(self) -> None:
        """Load what the disk has of prefill-only requests; only an idle engine computes the rest."""
        for sequence in list(self._prefill_only.values()):
            if not sequence.found:
                self._find_prefix(sequence, ahead=True)
            if not self._cache.take_loaded(sequence):
                continue
            if sequence.unread <= 1:
                self.end(sequence.request_id, FinishReason.LENGTH)
            elif self._running or self._waiting:
                self.end(sequence.request_id, FinishReason.CANCELLED)

    def _is_loaded(self, sequence: RunningRequest) -> bool:
        """Whether a running request's prefix is in memory."""
        was_loading = sequence.load is not None
        loaded = self._cache.take_loaded(sequence)
        if was_loading and loaded and not sequence.new_tokens:
            self._emit_taken(sequence)
        return loaded

    def _emit_taken(self, sequence: RunningRequest) -> None:
        loaded = self._cache.count_loaded(sequence)
        self._emit(PromptTaken(sequence.request_id, len(sequence.tokens), sequence.read, loaded))

    def _find_prefix(self, sequence: RunningRequest, *, ahead: bool = False) -> None:
        sequence.found = True
        sequence.long_factors = self._needs_long_factors(sequence)
        self._cache.find(sequence, ahead=ahead)

    def _needs_long_factors(self, sequence: RunningRequest) -> bool:
        return self.original_context is not None and len(sequence.tokens) > self.original_context

    def _warn(self, line: str) -> None:
        self._emit(Warned(line))

    def _accept_token(self, sequence: RunningRequest, token: int) -> bool:
        """Append the chosen token, or end the request; return whether it goes on from there."""
        request, request_id = sequence.request, sequence.request_id
        if request.prefill_only:
            self.end(request_id, FinishReason.LENGTH)
            return False
        if emit_tokens(self._emit, request_id, [token], request.stop_ids):
            self.end(request_id, FinishReason.STOP)
            return False
        sequence.tokens.append(token)
        sequence.seen.add(token)
        if sequence.new_tokens == request.max_new_tokens:
            self.end(request_id, FinishReason.LENGTH)
            return False
        if self._needs_long_factors(sequence) and not sequence.long_factors:
            # Past the original context the earlier keys need the long factors too; transformers' Phi-3 also reads
            # them anew.
            self._cache.release(sequence)
            self._find_prefix(sequence)
            return False
        return True
