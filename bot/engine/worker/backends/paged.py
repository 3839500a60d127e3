"""The default backend on processors: continuous batching with prompts read in pieces of just the right size.

openvino-genai does the same work with the same kernels, but reads prompts in pieces of one fixed size. Whoever streams
an answer would wait for a newcomer's piece, or everybody's prompts would be read in small pieces always.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import openvino

from bot.engine.interface import BatchState, EngineOptions, FinishReason, GenerationRequest
from bot.engine.protocol import PromptTaken
from bot.engine.worker.backends.backend import Emit, emit_end, emit_tokens, no_room_detail
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.pace import Pace
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest, share_out

LONGEST_STEP_SECONDS = 4.0
"""A step while nobody's answer streams: longer is hardly more efficient, and a cancel or a newcomer waits for it."""


class PagedBackend:
    """Runs token ids through a `PagedModel`.

    A request enters the batch when the cache has room for its prompt and its longest answer, so nothing that runs is
    ever pushed out. Until then it waits, in the order of arrival.
    """

    def __init__(self, options: EngineOptions, emit: Emit, blocks: int) -> None:
        """Load the model.

        Args:
            options: the model and the limits.
            emit: takes events.
            blocks: how many blocks the KV cache has.

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
        """How many tokens the KV cache holds for those who run."""
        return self._room * BLOCK_TOKENS

    @property
    def cache_bytes(self) -> int:
        """What the whole KV cache takes."""
        return self._model.cache_bytes

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._running or self._waiting or self._prefill_only)

    @property
    def state(self) -> BatchState:
        """What is in the batch and in the cache right now."""
        return BatchState(
            batch=len(self._running),
            waiting=len(self._waiting),
            cache_used=self._reserved / self._cache.capacity,
        )

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Put a request into the line for the batch. What is read ahead gives way to it."""
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
        """End a request before the next step. What was read for it stays in the cache."""
        sequence = self._running.pop(request_id, None) or self._prefill_only.pop(request_id, None)
        if sequence is None:
            sequence = next((each for each in self._waiting if each.request_id == request_id), None)
            if sequence is None:
                return
            self._waiting.remove(sequence)
        self._cache.release(sequence.path)
        emit_end(self._emit, request_id, reason)

    def step(self, poll: Callable[[], None]) -> None:  # noqa: ARG002 - a step is short
        """Read a part of what is to be read, and choose a token for each sequence that has been read whole."""
        self._admit()
        batch = list(self._running.values()) or list(self._prefill_only.values())[:1]
        # What is read ahead must be as easy to interrupt as if somebody were waiting for the step's end.
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
        """The blocks that sequences may hold; one is for the copy that parting in the middle of a block takes."""
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
        if not self._running:
            for sequence in list(self._prefill_only.values())[:1]:
                if not sequence.path:
                    self._find_prefix(sequence)

    def _find_prefix(self, sequence: RunningRequest) -> None:
        # The last token is read in any case: the answer's first token comes out of it.
        sequence.path, sequence.read = self._cache.find(sequence.tokens[:-1])
        if not sequence.request.prefill_only:
            self._emit(PromptTaken(sequence.request_id, len(sequence.tokens), sequence.read))

    def _advance(self, sequence: RunningRequest, count: int) -> Advance:
        while len(sequence.path) < blocks_for(sequence.read + count):
            self._cache.extend(sequence.path)
        tokens = sequence.tokens[sequence.read : sequence.read + count]
        return Advance(tokens, sequence.read, [block.number for block in sequence.path])

    def _record_prefilled(self, sequence: RunningRequest, count: int) -> None:
        """Let the cache know what it holds now, so that others may find it."""
        for token in sequence.tokens[sequence.read : sequence.read + count]:
            sequence.path[sequence.read // BLOCK_TOKENS].tokens.append(token)
            sequence.read += 1

    def _accept_token(self, sequence: RunningRequest, token: int) -> None:
        """Take the token that was chosen, and end the answer if it is the last."""
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
