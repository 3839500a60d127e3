"""The backend for devices other than processors: openvino-genai's continuous batching."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy
import openvino
import openvino_genai

from bot.engine.interface import EngineOptions, Erasure, FinishReason, GenerationRequest, Sampling
from bot.engine.observer import BatchState
from bot.engine.worker.backends.backend import Emit, PlainBackend, emit_end, emit_tokens, no_room_detail, one_line
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for_request

PROMPT_TOKENS_A_STEP = 256
"""Small enough to let streaming answers go on during a long prefill, large enough to lose little time."""


@dataclass(slots=True)
class _Running:
    """A request in the pipeline. Dropping the last reference to its handle stops it."""

    request: GenerationRequest
    handle: openvino_genai.GenerationHandle


class GenaiBackend(PlainBackend):
    """Runs token ids through `openvino_genai.ContinuousBatchingPipeline`."""

    def __init__(self, options: EngineOptions, emit: Emit, blocks: int) -> None:
        """Load the model.

        Args:
            blocks: size of the KV cache.

        Raises:
            RuntimeError: OpenVINO cannot load it.
        """
        self._emit = emit
        self._running: dict[int, _Running] = {}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            options.model_dir, _scheduler_config(options, blocks), options.device, dict(options.properties)
        )
        self._blocks = blocks
        self._waiting: deque[tuple[int, GenerationRequest]] = deque()

    @property
    def name(self) -> str:
        """The library and its version."""
        return f"openvino-genai {openvino_genai.__version__.split('-')[0]}"

    @property
    def cache_tokens(self) -> int:
        """Capacity of the KV cache."""
        return self._blocks * BLOCK_TOKENS

    @property
    def cache_bytes(self) -> int:
        """Memory of the KV cache."""
        return int(self._pipeline.get_metrics().cache_size_in_bytes)

    @property
    def busy(self) -> bool:
        """Whether requests wait or the pipeline still holds some, even ended ones."""
        return bool(self._waiting) or bool(self._pipeline.has_non_finished_requests())

    @property
    def state(self) -> BatchState:
        """The current load."""
        return BatchState(batch=len(self._running), cache_used=self._pipeline.get_metrics().cache_usage / 100)

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request for the pipeline. It preempts prefill-only requests."""
        if blocks_for_request(request) > self._blocks:
            emit_end(self._emit, request_id, FinishReason.NO_ROOM, no_room_detail(request, self.cache_tokens))
            return
        prefill_only = [each for each, running in self._running.items() if running.request.prefill_only]
        if request.prefill_only and (self._waiting or len(prefill_only) < len(self._running)):
            emit_end(self._emit, request_id, FinishReason.CANCELLED)
            return
        for each in prefill_only:
            self.end(each, FinishReason.CANCELLED)
        self._waiting.append((request_id, request))

    def end(self, request_id: int, reason: FinishReason) -> None:
        """Stop a request and report its end at once.

        Not with `cancel`: `stop` keeps the prefilled blocks for the conversation's next turn.
        """
        waiting = next((entry for entry in self._waiting if entry[0] == request_id), None)
        running = self._running.pop(request_id, None)
        if waiting is not None:
            self._waiting.remove(waiting)
        if running is not None:
            running.handle.stop()
        if waiting is not None or running is not None:
            emit_end(self._emit, request_id, reason)

    def _admit(self) -> None:
        """Move requests to the pipeline that fit the cache; without room it would drop or preempt one."""
        reserved = sum(blocks_for_request(each.request) for each in self._running.values())
        while self._waiting and reserved + blocks_for_request(self._waiting[0][1]) <= self._blocks:
            request_id, request = self._waiting.popleft()
            reserved += blocks_for_request(request)
            prompt = openvino.Tensor(numpy.array([request.prompt_ids], dtype=numpy.int64))
            try:
                handle = self._pipeline.add_request(request_id, prompt, _generation_config(request))
            except RuntimeError as error:
                emit_end(self._emit, request_id, FinishReason.FAILED, one_line(error))
            else:
                self._running[request_id] = _Running(request, handle)

    def erase(self, erasure: Erasure) -> None:
        """Do nothing: openvino-genai cannot take single words out of its prefix cache."""

    def step(self, poll: Callable[[], None]) -> None:  # noqa: ARG002 - a step is never longer than a token
        """Generate the next token of every running request, or prefill a piece of a prompt."""
        self._admit()
        self._pipeline.step()
        for request_id, running in list(self._running.items()):
            self._report(request_id, running)

    def _report(self, request_id: int, running: _Running) -> None:
        ids: list[int] = []
        finish = openvino_genai.GenerationFinishReason.NONE
        # Reading an empty handle blocks forever.
        while running.handle.can_read():
            for output in running.handle.read().values():
                ids.extend(output.generated_ids)
                finish = output.finish_reason
        if running.request.prefill_only:
            ids.clear()  # the pipeline cannot prefill without generating
        stopped = emit_tokens(self._emit, request_id, ids, running.request.stop_ids)
        if running.handle.get_status() == openvino_genai.GenerationStatus.RUNNING:
            return
        del self._running[request_id]
        if running.handle.get_status() == openvino_genai.GenerationStatus.IGNORED:
            detail = no_room_detail(running.request, self.cache_tokens)
            emit_end(self._emit, request_id, FinishReason.NO_ROOM, detail)
        elif stopped or finish == openvino_genai.GenerationFinishReason.STOP:
            emit_end(self._emit, request_id, FinishReason.STOP)
        else:
            emit_end(self._emit, request_id, FinishReason.LENGTH)


def _scheduler_config(options: EngineOptions, blocks: int) -> openvino_genai.SchedulerConfig:
    config = openvino_genai.SchedulerConfig()
    config.num_kv_blocks = blocks
    config.max_num_seqs = options.max_batch
    config.max_num_batched_tokens = PROMPT_TOKENS_A_STEP
    config.dynamic_split_fuse = True
    config.enable_prefix_caching = True
    return config


def _generation_config(request: GenerationRequest) -> openvino_genai.GenerationConfig:
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = max(request.max_new_tokens, 1)
    if request.stop_ids:
        config.stop_token_ids = set(request.stop_ids)
        # Left unset, the model folder's own end token applies, and ends answers without a stop id.
        config.eos_token_id = min(request.stop_ids)
    else:
        config.ignore_eos = True
    _apply_sampling(config, request.sampling)
    return config


def _apply_sampling(config: openvino_genai.GenerationConfig, sampling: Sampling) -> None:
    config.repetition_penalty = sampling.repetition_penalty
    if sampling.temperature > 0:
        config.do_sample = True
        config.temperature = sampling.temperature
        config.top_p = sampling.top_p
        config.rng_seed = sampling.seed
        if sampling.top_k > 0:
            config.top_k = sampling.top_k
