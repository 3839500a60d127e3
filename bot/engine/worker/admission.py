"""Refuses requests that the model cannot run, before a backend sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bot.engine.interface import FinishReason, GenerationRequest, Outcome, Sampling
from bot.errors import ConfigurationError
from bot.model.config import ModelConfig


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Limits from the model folder's `config.json`.

    Attributes:
        context: upper bound in tokens for a prompt and its answer.
        vocabulary: rows of the embedding; every token id is below it.
        model_type: the model's family, see `ModelConfig`.
        original_context: of a model with LongRoPE, see `ModelConfig`.
        cause: what makes the context shorter than the model's own; empty if nothing does.
    """

    context: int
    vocabulary: int
    model_type: str | None = None
    original_context: int | None = None
    cause: str = ""

    @classmethod
    def read(cls, model_dir: Path) -> ModelLimits:
        """Read the limits of a model folder.

        Raises:
            ConfigurationError: the folder has no exported model, or its config.json is unusable.
        """
        if not (model_dir / "openvino_model.xml").is_file():
            raise ConfigurationError(
                f"{model_dir} has no openvino_model.xml; point MODEL_DIR at a folder that "
                "'optimum-cli export openvino' wrote"
            )
        try:
            config = ModelConfig.read(model_dir)
            context, vocabulary = config.require("context_length", "vocabulary_size")
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{model_dir / 'config.json'} does not give max_position_embeddings and vocab_size "
                f"({error!r}); export the model again"
            ) from None
        return cls(context, vocabulary, config.model_type, config.original_context)

    def within(self, tokens: int | None, cause: str) -> ModelLimits:
        """The limits with a context of at most this many tokens; None and 0 limit nothing."""
        return replace(self, context=tokens, cause=cause) if tokens and tokens < self.context else self


def refusal(request: GenerationRequest, limits: ModelLimits) -> Outcome | None:
    """Return the outcome of a request that cannot run; None for one that can."""
    if not request.prompt_ids:
        return Outcome(FinishReason.FAILED, "the prompt is empty")
    if request.max_new_tokens < 1 and not request.prefill_only:
        return Outcome(FinishReason.FAILED, f"max_new_tokens is {request.max_new_tokens}; it must be at least 1")
    unknown = next((token for token in request.prompt_ids if not 0 <= token < limits.vocabulary), None)
    if unknown is not None:
        return Outcome(FinishReason.FAILED, f"token id {unknown} is outside the vocabulary of {limits.vocabulary}")
    if not _usable(request.sampling):
        return Outcome(FinishReason.FAILED, f"these sampling settings are out of range: {request.sampling}")
    if len(request.prompt_ids) >= limits.context:
        detail = f"the prompt has {len(request.prompt_ids)} tokens; there is room for {limits.context} with the answer"
        return Outcome(FinishReason.NO_ROOM, detail)
    return None


def _usable(sampling: Sampling) -> bool:
    return (
        sampling.temperature >= 0
        and 0 < sampling.top_p <= 1
        and sampling.top_k >= 0
        and sampling.repetition_penalty > 0
        and 0 <= sampling.seed < 2**32
    )


def within_context(request: GenerationRequest, limits: ModelLimits) -> GenerationRequest:
    """Cap the request's answer at what the context leaves beside the prompt."""
    room = limits.context - len(request.prompt_ids)
    return replace(request, max_new_tokens=min(request.max_new_tokens, room))
