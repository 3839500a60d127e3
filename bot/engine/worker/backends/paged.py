"""The default backend on processors: continuous batching that prefills in pieces of just the right size.

openvino-genai runs the same kernels, but prefills in pieces of one fixed size: either large ones hold up streaming
answers, or small ones slow every prompt down.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

import openvino

from bot.engine.interface import BatchState, EngineOptions, Erasure, FinishReason, GenerationRequest
from bot.engine.protocol import PromptTaken, Warned
from bot.engine.worker.backends.backend import Emit, emit_end, emit_tokens, no_room_detail, one_line
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.disk_cache.identity import cache_identity
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.pace import Pace
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest, share_out
from bot.engine.worker.paged.sequence_cache import SequenceCache

LONGEST_STEP_SECONDS = 4.0
"""Target for a step while no answer streams. Longer is hardly more efficient, and cancels and new requests wait."""

_WAIT_FOR_DISK_SECONDS = 0.02
"""Upper bound, because a new request waits for as long."""


class PagedBackend:
    """Runs token ids through a `PagedModel`.

    A request enters the batch when the cache has room for its prompt and its longest answer, so no running request is
    ever preempted. Until then it waits, in order of arrival.
    """

    def __init__(self, options: EngineOptions, emit: Emit, blocks: int) -> None:
        """Load the model.

        Args:
            blocks: size of the KV cache.

        Raises:
            ConfigurationError: the model cannot be batched.
            RuntimeError: OpenVINO cannot load it.
        """
        self._options = options
        self._emit = emit
        self._max_batch = options.max_batch
        self._model = PagedModel(options.model_dir, options.device, options.properties, blocks)
        self._prefixes = PrefixCache(blocks, self._model.copy_block)
        self._cache = SequenceCache(self._prefixes)
        self._pace = Pace(options.longest_pause_seconds, LONGEST_STEP_SECONDS)
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
        return self._model.cache_bytes

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
        )

    def open_disk_cache(self, device_name: str, precision: str) -> None:
        """Open the disk cache that the options name; without one, tell the operator why."""
        options = self._options
        if options.disk_cache_dir is None:
            return
        try:
            identity = cache_identity(options, device_name, precision, self._model.cache_layout)
            folder = CacheFolder(options.disk_cache_dir, identity)
            index = folder.read_index(sum(map(len, self._model.block_bytes(0))))
            wanted = options.disk_cache_gigabytes
            budget = folder.default_budget(index) if wanted is None else int(wanted * 1e9)
        except (OSError, ValueError) as error:
            self._emit(
                Warned(
                    "Disk cache is off, histories are read again after a restart; make it a folder that the bot can "
                    f"read and write: path={options.disk_cache_dir} reason={one_line(error)}"
                )
            )
            return
        pace, model = self._pace, self._model
        self._cache.disk = DiskCache(
            folder,
            index,
            budget,
            self._prefixes,
            model.block_bytes,
            lambda: pace.seconds_per_token,
            lambda line: self._emit(Warned(line)),
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
        self._cache.release(sequence)
        emit_end(self._emit, request_id, reason)

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
            self._compute(batch)
        elif self.disk_cache is not None:
            self.disk_cache.poll(_WAIT_FOR_DISK_SECONDS)

    def _compute(self, batch: Sequence[RunningRequest]) -> None:
        # A prefill-only step must be as short as if an answer streamed, so that a request can preempt it soon.
        others_stream = any(each.generates for each in batch) or not self._running
        shares = share_out(batch, self._pace.prompt_tokens(others_stream=others_stream))
        prompt_tokens = sum(count for sequence, count in shares if not sequence.generates)
        started = time.perf_counter()
        logits = self._model.advance([self._advance(sequence, count) for sequence, count in shares])
        for index, (sequence, count) in enumerate(shares):
            self._cache.record(sequence, count)
            if not sequence.unread:
                sampling = sequence.request.sampling
                self._accept_token(sequence, choose_token(logits[index], sampling, sequence.seen, sequence.read))
        self._pace.learn(time.perf_counter() - started, prompt_tokens)

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

    def _advance(self, sequence: RunningRequest, count: int) -> Advance:
        self._cache.extend(sequence, count)
        tokens = sequence.tokens[sequence.read : sequence.read + count]
        return Advance(tokens, sequence.read, [block.number for block in sequence.path], sequence.long_factors)

    def _accept_token(self, sequence: RunningRequest, token: int) -> None:
        """Append the chosen token, and end the request if it is the last one."""
        request, request_id = sequence.request, sequence.request_id
        if request.prefill_only:
            self.end(request_id, FinishReason.LENGTH)
        elif emit_tokens(self._emit, request_id, [token], request.stop_ids):
            self.end(request_id, FinishReason.STOP)
        else:
            sequence.tokens.append(token)
            sequence.seen.add(token)
            if sequence.new_tokens == request.max_new_tokens:
                self.end(request_id, FinishReason.LENGTH)
            elif self._needs_long_factors(sequence) and not sequence.long_factors:
                # Past the original context the earlier keys need the long factors too; transformers' Phi-3 also reads
                # them anew.
                self._cache.release(sequence)
                self._find_prefix(sequence)
