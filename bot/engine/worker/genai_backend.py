"""The default backend: openvino-genai's continuous batching, which generates for many requests together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy
import openvino
import openvino_genai

from bot.engine.interface import EngineOptions, FinishReason, GenerationRequest, Sampling
from bot.engine.worker.backend import Emit, emit_end, emit_tokens


@dataclass(slots=True)
class _Running:
    """A request in the pipeline. Dropping the last reference to its handle would stop it."""

    request: GenerationRequest
    handle: openvino_genai.GenerationHandle


class GenaiBackend:
    """Runs token ids through `openvino_genai.ContinuousBatchingPipeline`."""

    def __init__(self, options: EngineOptions, emit: Emit) -> None:
        """Load the model.

        Raises:
            RuntimeError: OpenVINO cannot load it.
        """
        self._emit = emit
        self._running: dict[int, _Running] = {}
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            options.model_dir, _scheduler_config(options), options.device, dict(options.properties)
        )

    @property
    def name(self) -> str:
        """The library and its version."""
        return f"openvino-genai {openvino_genai.__version__.split('-')[0]}"

    @property
    def busy(self) -> bool:
        """Whether the pipeline has requests left, ended ones that it has not let go of included."""
        return bool(self._pipeline.has_non_finished_requests())

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Hand a request to the pipeline, which takes it in at the next step."""
        prompt = openvino.Tensor(numpy.array([request.prompt_ids], dtype=numpy.int64))
        handle = self._pipeline.add_request(request_id, prompt, _generation_config(request))
        self._running[request_id] = _Running(request, handle)

    def end(self, request_id: int, reason: FinishReason) -> None:
        """Stop a request and report it at once.

        `stop` and not `cancel`, because `stop` keeps what was read for the next turn of the same conversation.
        """
        running = self._running.pop(request_id, None)
        if running is not None:
            running.handle.stop()
            emit_end(self._emit, request_id, reason)

    def step(self, poll: Callable[[], None]) -> None:  # noqa: ARG002 - a step is never longer than a token
        """Generate the next token of every running request, or read a part of a waiting prompt."""
        self._pipeline.step()
        for request_id, running in list(self._running.items()):
            self._report(request_id, running)

    def _report(self, request_id: int, running: _Running) -> None:
        ids: list[int] = []
        finish = openvino_genai.GenerationFinishReason.NONE
        # Reading an empty handle would block for good.
        while running.handle.can_read():
            for output in running.handle.read().values():
                ids.extend(output.generated_ids)
                finish = output.finish_reason
        stopped = emit_tokens(self._emit, request_id, ids, running.request.stop_ids)
        if running.handle.get_status() == openvino_genai.GenerationStatus.RUNNING:
            return
        del self._running[request_id]
        if running.handle.get_status() == openvino_genai.GenerationStatus.IGNORED:
            emit_end(self._emit, request_id, FinishReason.NO_ROOM, "the KV cache is full; give it more gigabytes")
        elif stopped or finish == openvino_genai.GenerationFinishReason.STOP:
            emit_end(self._emit, request_id, FinishReason.STOP)
        else:
            emit_end(self._emit, request_id, FinishReason.LENGTH)


def _scheduler_config(options: EngineOptions) -> openvino_genai.SchedulerConfig:
    config = openvino_genai.SchedulerConfig()
    config.cache_size = options.cache_gigabytes
    config.max_num_seqs = options.max_batch
    config.max_num_batched_tokens = options.max_batched_tokens
    config.dynamic_split_fuse = True
    config.enable_prefix_caching = True
    return config


def _generation_config(request: GenerationRequest) -> openvino_genai.GenerationConfig:
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = request.max_new_tokens
    if request.stop_ids:
        config.stop_token_ids = set(request.stop_ids)
        # An end token left unset is filled in from the model folder, and would end answers that no stop id ended.
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
