"""The sample's own path: optimum-intel's `OVModelForCausalLM.generate`, one request at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from bot.engine.interface import EngineOptions, Erasure, FinishReason, GenerationRequest
from bot.engine.observer import BatchState
from bot.engine.worker.backends.backend import Emit, PlainBackend, emit_end, emit_tokens, one_line
from bot.errors import ConfigurationError
from bot.own_command import install_command

try:
    import torch
    from optimum.intel import OVModelForCausalLM
    from transformers import (
        AutoConfig,
        GenerationConfig,
        LogitsProcessorList,
        RepetitionPenaltyLogitsProcessor,
        StoppingCriteria,
        StoppingCriteriaList,
        set_seed,
    )
    from transformers.generation.streamers import BaseStreamer
except ImportError as error:
    raise ConfigurationError(
        f"the engine 'optimum' is not installed ({one_line(error)}); "
        f"run `{install_command('optimum')}`, or set ENGINE=genai"
    ) from error

SAMPLE_PROPERTIES = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "CACHE_DIR": ""}
"""The Phi-3 cookbook sample's `ov_config`."""


class OptimumBackend(PlainBackend):
    """Runs token ids through optimum-intel. A request waits until all earlier ones have ended."""

    def __init__(self, options: EngineOptions, emit: Emit) -> None:
        """Load an exported model; without openvino_model.xml optimum would start an export."""
        self._emit = emit
        self._waiting: deque[tuple[int, GenerationRequest]] = deque()
        self._running_id: int | None = None
        self._end_reason: FinishReason | None = None
        trust = options.trust_remote_code
        self._model = OVModelForCausalLM.from_pretrained(
            options.model_dir,
            device=options.device,
            ov_config=SAMPLE_PROPERTIES | dict(options.properties),
            config=AutoConfig.from_pretrained(options.model_dir, trust_remote_code=trust),
            trust_remote_code=trust,
        )
        # All settings come with the request; the folder's own must not interfere.
        self._model.generation_config = GenerationConfig()

    @property
    def name(self) -> str:
        """The library and its version."""
        return f"optimum-intel {version('optimum-intel')}"

    @property
    def busy(self) -> bool:
        """Whether requests wait."""
        return bool(self._waiting)

    @property
    def state(self) -> BatchState:
        """The current load."""
        return BatchState(batch=int(self._running_id is not None), waiting=len(self._waiting))

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request. Prefill-only requests end at once: nothing could reuse their cache."""
        if request.prefill_only:
            emit_end(self._emit, request_id, FinishReason.CANCELLED)
            return
        self._waiting.append((request_id, request))

    def end(self, request_id: int, reason: FinishReason) -> None:
        """End a waiting request at once, the running one after its next token."""
        if request_id == self._running_id:
            self._end_reason = self._end_reason or reason
            return
        for entry in self._waiting:
            if entry[0] == request_id:
                self._waiting.remove(entry)
                emit_end(self._emit, request_id, reason)
                return

    def erase(self, erasure: Erasure) -> None:
        """Do nothing: nothing of a request is kept after it."""

    def step(self, poll: Callable[[], None]) -> None:
        """Generate the whole answer of the first waiting request."""
        request_id, request = self._waiting.popleft()
        self._running_id, self._end_reason = request_id, None
        streamer = _TokenStreamer(self._emit, request_id, request, poll)
        try:
            self._generate(request, streamer)
        except Exception as error:  # noqa: BLE001 - only this request fails
            emit_end(self._emit, request_id, FinishReason.FAILED, one_line(error))
            return
        finally:
            self._running_id = None
        finish = FinishReason.STOP if streamer.stopped else self._end_reason or FinishReason.LENGTH
        emit_end(self._emit, request_id, finish)

    def _generate(self, request: GenerationRequest, streamer: _TokenStreamer) -> None:
        prompt = torch.tensor([request.prompt_ids], dtype=torch.int64)
        if request.sampling.temperature > 0:
            set_seed(request.sampling.seed)
        self._model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=request.max_new_tokens,
            eos_token_id=sorted(request.stop_ids) or None,
            pad_token_id=min(request.stop_ids, default=0),
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList([_EndsEarly(lambda: self._end_reason is not None)]),
            **_sampling_arguments(request),
        )


class _TokenStreamer(BaseStreamer):  # type: ignore[misc]  # transformers is untyped
    """Emits tokens as `generate` makes them, and executes commands between two tokens."""

    def __init__(self, emit: Emit, request_id: int, request: GenerationRequest, poll: Callable[[], None]) -> None:
        self._emit = emit
        self._request_id = request_id
        self._stop_ids = request.stop_ids
        self._poll = poll
        self._prompt_seen = False
        self.stopped = False

    def put(self, value: torch.Tensor) -> None:
        """Receive the prompt on the first call, then new tokens."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        ids = value.reshape(-1).tolist()
        self.stopped = emit_tokens(self._emit, self._request_id, ids, self._stop_ids)
        self._poll()

    def end(self) -> None:
        """Do nothing: no token is held back."""


class _EndsEarly(StoppingCriteria):  # type: ignore[misc]  # transformers is untyped
    """Ends the generation after the current token on demand."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:  # noqa: ARG002
        return torch.full((input_ids.shape[0],), self._asked(), dtype=torch.bool)


def _sampling_arguments(request: GenerationRequest) -> dict[str, Any]:
    sampling = request.sampling
    arguments: dict[str, Any] = {"do_sample": sampling.temperature > 0}
    if sampling.repetition_penalty != 1.0:
        # The argument of the same name would count the prompt too.
        penalty = RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty, request.question_length)
        arguments["logits_processor"] = LogitsProcessorList([penalty])
    if sampling.temperature > 0:
        arguments |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
    return arguments
