"""The default backend on processors: continuous batching that prefills in pieces of just the right size.

openvino-genai runs the same kernels, but prefills in pieces of one fixed size: either large ones hold up streaming
answers, or small ones slow every prompt down.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import openvino

from bot.engine.interface import BatchState, EngineOptions, Erasure, FinishReason, GenerationRequest
from bot.engine.protocol import PromptTaken
from bot.engine.worker.backends.backend import Emit, emit_end, emit_tokens, no_room_detail
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.pace import Pace
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest, share_out

LONGEST_STEP_SECONDS = 4.0
"""Target for a step while no answer streams. Longer is hardly more efficient, and cancels and new requests wait."""


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
        self._emit = emit
        self._max_batch = options.max_batch
        self._model = PagedModel(options.model_dir, options.device, options.properties, blocks)
        self._cache = PrefixCache(blocks, self._model.copy_block)
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
    def busy(self) -> bool:
        """Whether any request has not ended."""
        return bool(self._running or self._waiting or self._prefill_only)

    @property
    def state(self) -> BatchState:
        """The current load."""
        return BatchState(
            batch=len(self._running),
            waiting=len(self._waiting),
            cache_used=self._reserved / self._cache.capacity,
        )

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request for the batch. It preempts prefill-only requests."""
        sequence = RunningRequest.of(request_id, request)
        if sequence.most_blocks > self._room:
            emit_end(self._emit, request_id, FinishReason.NO_ROOM, no_room_detail(request, self.cache_tokens))
        elif not request.prefill_only:
            self._cancel_prefill_only()
            self._waiting.append(sequence)
        elif self._running or self._waiting:
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
        self._cache.release(sequence.path)
        emit_end(self._emit, request_id, reason)

    def erase(self, erasure: Erasure) -> None:
        """Erase words from the cache."""
        raise NotImplementedError

    def step(self, poll: Callable[[], None]) -> None:  # noqa: ARG002 - a step is short
        """Prefill a piece of the prompts, and choose the next token of every answer."""
        self._admit()
        batch = list(self._running.values()) or list(self._prefill_only.values())[:1]
        # A prefill-only step must be as short as if an answer streamed, so that a request can preempt it soon.
        others_stream = any(each.generates for each in batch) or not self._running
        shares = share_out(batch, self._pace.prompt_tokens(others_stream=others_stream))
        prompt_tokens = sum(count for sequence, count in shares if not sequence.generates)
        started = time.perf_counter()
        logits = self._model.advance([self._advance(sequence, count) for sequence, count in shares])
        for index, (sequence, count) in enumerate(shares):
            self._record_prefilled(sequence, count)
            if not sequence.unread:
                sampling = sequence.request.sampling
                self._accept_token(sequence, choose_token(logits[index], sampling, sequence.seen, sequence.read))
        self._pace.learn(time.perf_counter() - started, prompt_tokens)

    @property
    def _room(self) -> int:
        """Blocks for requests; one more is for the copy that a prompt needs when it diverges inside a block."""
        return self._cache.capacity - 1

    @property
    def _reserved(self) -> int:
        return sum(each.most_blocks for each in self._running.values())

    def _cancel_prefill_only(self) -> None:
        for request_id in list(self._prefill_only):
            self.end(request_id, FinishReason.CANCELLED)

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._max_batch:
            sequence = self._waiting[0]
            if self._reserved + sequence.most_blocks > self._room:
                return
            self._running[sequence.request_id] = self._waiting.popleft()
            self._find_prefix(sequence)
            self._emit(PromptTaken(sequence.request_id, len(sequence.tokens), sequence.read))
        if not self._running:
            for sequence in list(self._prefill_only.values())[:1]:
                if not sequence.path:
                    self._find_prefix(sequence)

    def _find_prefix(self, sequence: RunningRequest) -> None:
        sequence.long_factors = self._needs_long_factors(sequence)
        # The last token is always computed: the answer's next token comes from its logits.
        sequence.path, sequence.read = self._cache.find(sequence.tokens[:-1], long_factors=sequence.long_factors)

    def _needs_long_factors(self, sequence: RunningRequest) -> bool:
        return self.original_context is not None and len(sequence.tokens) > self.original_context

    def _advance(self, sequence: RunningRequest, count: int) -> Advance:
        while len(sequence.path) < blocks_for(sequence.read + count):
            self._cache.extend(sequence.path, long_factors=sequence.long_factors)
        tokens = sequence.tokens[sequence.read : sequence.read + count]
        return Advance(tokens, sequence.read, [block.number for block in sequence.path], sequence.long_factors)

    def _record_prefilled(self, sequence: RunningRequest, count: int) -> None:
        """Record what the cache blocks hold now, so that other prompts find it."""
        for token in sequence.tokens[sequence.read : sequence.read + count]:
            sequence.path[sequence.read // BLOCK_TOKENS].tokens.append(token)
            sequence.read += 1

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
                self._cache.release(sequence.path)
                self._find_prefix(sequence)
