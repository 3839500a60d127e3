"""A model folder together with the engine that runs it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder
from bot.prompting.prompt import Message, PromptBuilder
from bot.settings import Settings

_PROBE_TOKENS = 8
_PROBE_SECONDS = 120.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelInstance:
    """A model folder, its engine, which may not be loaded yet, and what answers are made with."""

    folder: ModelFolder
    engine: EngineSupervisor
    model: ServedModel

    @classmethod
    def prepare(cls, folder: ModelFolder, engine: EngineSupervisor, settings: Settings) -> ModelInstance:
        """Read the tokenizer and the chat template, without loading the engine.

        Raises:
            ConfigurationError: the tokenizer cannot be used, or the system prompt does not fit the model's context.
        """
        defaults = folder.generation_defaults
        builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids)
        budget = Budget(folder.context_length, settings.max_new_tokens_for(defaults), settings.max_prompt_tokens)
        sampling = settings.sampling_for(defaults)
        model = ServedModel(engine, builder, budget, sampling, settings.answer_time_limit_seconds)
        _check_system_prompt(model.window, settings.system_prompt)
        return cls(folder, engine, model)

    def with_engine(self, engine: EngineSupervisor) -> ModelInstance:
        """The same model in another engine."""
        return ModelInstance(self.folder, engine, replace(self.model, engine=engine))

    def within_cache(self) -> ModelInstance:
        """The same model with its context capped to the loaded engine's KV cache."""
        facts, budget = self.engine.facts, self.model.budget
        if facts is None or not 0 < facts.cache_tokens < budget.context_length:
            return self
        logger.warning(
            "Context capped to the KV cache: cache_tokens=%s model_tokens=%s", facts.cache_tokens, budget.context_length
        )
        budget = replace(budget, context_length=facts.cache_tokens)
        return replace(self, model=replace(self.model, budget=budget))

    async def load_and_probe(self) -> None:
        """Load the engine and have it answer once. A failure closes the engine.

        Raises:
            ConfigurationError: the engine does not load, or does not answer.
        """
        try:
            await self.engine.start()
            await _probe(self.model)
        except BaseException:
            await self.engine.close()
            raise


async def _probe(model: ServedModel) -> None:
    prompt = model.builder.build([Message("user", "Say hello.")])
    generation = model.engine.submit(
        GenerationRequest(prompt.ids, model.builder.stop_ids, _PROBE_TOKENS, _PROBE_SECONDS, model.sampling)
    )
    async for _ in generation:
        pass
    outcome = generation.outcome
    if outcome is None or outcome.reason not in (FinishReason.STOP, FinishReason.LENGTH):
        raise ConfigurationError(
            f"the model does not answer a test question: {outcome and (outcome.detail or outcome.reason)}; export it "
            "again or choose another model"
        )


def _check_system_prompt(window: ContextWindow, system_prompt: str) -> None:
    tokens, limit = window.system_prompt_tokens(system_prompt), window.budget.system_prompt_limit
    if tokens > limit:
        raise ConfigurationError(
            f"SYSTEM_PROMPT takes {tokens:,} tokens, more than half of the {window.budget.prompt_limit:,} that this "
            "model's prompt may have; shorten it, or lower MAX_NEW_TOKENS"
        )
