"""A model folder together with the engine that runs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.turn import UserMessage
from bot.engine.interface import EngineFacts, FinishReason
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError, ServerUnreachableError
from bot.model.folder import UNKNOWN_CONTEXT_TOKENS, ModelFolder
from bot.prompting.prompt import PromptBuilder
from bot.settings import Settings

logger = logging.getLogger(__name__)

_PROBE = UserMessage("Say hello.", author_id=0, author_name="")
_PROBE_TOKENS = 2  # the second comes from a step of its own, like the rest of an answer
_PROBE_SECONDS = 120.0  # at least; an operator may give answers less, but a start is slow


@dataclass(frozen=True, slots=True)
class ModelInstance:
    """A model folder, its engine, which may not be loaded yet, and what answers are made with."""

    folder: ModelFolder
    engine: EngineSupervisor
    model: ServedModel
    system_prompt: str

    @classmethod
    def prepare(
        cls,
        folder: ModelFolder,
        engine: EngineSupervisor,
        settings: Settings,
        on_wait: Callable[[], None] = lambda: None,
    ) -> ModelInstance:
        """Read the tokenizer and the chat template, without loading the engine.

        Args:
            folder: the model's.
            engine: not loaded yet.
            settings: the operator's.
            on_wait: called several times a second while children try the files; it may raise to stop them.

        Raises:
            ConfigurationError: the tokenizer or the chat template cannot be used, the tokenizer has ids that the model
                lacks, or the system prompt does not fit the model's context.
        """
        defaults = folder.generation_defaults
        builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids, on_wait)
        _check_vocabulary(folder, builder)
        context = min(folder.context_length, settings.max_context_tokens or folder.context_length)
        max_new_tokens = settings.max_new_tokens_for(defaults, thinks=builder.thinking.declared)
        budget = Budget(context, max_new_tokens, settings.max_prompt_tokens)
        sampling = settings.sampling_for(defaults)
        model = ServedModel(engine, builder, budget, sampling, settings.answer_time_limit_seconds)
        _check_system_prompt(model.window, settings.system_prompt, is_shortened=context < folder.context_length)
        return cls(folder, engine, model, settings.system_prompt)

    def with_engine(self, engine: EngineSupervisor) -> ModelInstance:
        """The same model in another engine."""
        return replace(self, engine=engine, model=replace(self.model, engine=engine))

    def within_engine(self) -> ModelInstance:
        """The same model with the context that the loaded engine has for it."""
        return replace(self, model=self.model.within_engine())

    def log_what_is_cut(self) -> None:
        """Log that the loaded engine's context is shorter than the model's, and cuts the system prompt."""
        facts, model_tokens = self.engine.facts, self.folder.context_length
        if facts is not None and facts.context_tokens < model_tokens != UNKNOWN_CONTEXT_TOKENS:
            tokens, cause = facts.context_tokens, facts.context_cause
            logger.warning("Context shortened: tokens=%d model_tokens=%d cause=%s", tokens, model_tokens, cause)
        window = self.within_engine().model.window
        needed, room = window.system_prompt_tokens(self.system_prompt), window.budget.system_prompt_limit
        if needed > room:
            logger.warning("SYSTEM_PROMPT is cut, its end does not fit: tokens=%d room=%d", needed, room)

    async def load_and_probe(self, on_progress: Callable[[str], None] | None = None) -> EngineFacts:
        """Load the engine and have it answer once. A failure closes the engine.

        Args:
            on_progress: called with a line for each phase.

        Raises:
            ConfigurationError: the engine does not load, or does not answer.
            ServerUnreachableError: its servers do not, for now.
        """
        try:
            facts = await self.engine.start(on_progress)
            await self._probe(is_remote=facts.is_remote)
        except BaseException:
            await self.engine.close()
            raise
        return facts

    async def _probe(self, *, is_remote: bool) -> None:
        """Ask a question as members will, with the system prompt and the highest id that a prompt can contain.

        The id comes last, so that the first real question finds the system prompt in the cache.
        """
        model = self.within_engine().model
        fitted = await asyncio.to_thread(model.window.fit, self.system_prompt, (), _PROBE)
        request = model.request((*fitted.prompt.ids, model.builder.highest_id))
        seconds = max(_PROBE_SECONDS, request.time_limit_seconds)
        request = replace(request, max_new_tokens=_PROBE_TOKENS, time_limit_seconds=seconds)
        generation = self.engine.submit(request)
        async for _ in generation:
            pass
        outcome = generation.outcome
        if outcome is None or outcome.reason not in (FinishReason.STOP, FinishReason.LENGTH):
            cause = "without a reason" if outcome is None else outcome.detail or outcome.reason
            if is_remote:
                raise ServerUnreachableError(f"the servers do not answer a test question: {cause}; look at their logs")
            raise ConfigurationError(
                f"the model {self.folder.title} does not answer a test question: {cause}; export it again or choose "
                "another model"
            )


def _check_vocabulary(folder: ModelFolder, builder: PromptBuilder) -> None:
    if builder.highest_id >= folder.vocabulary_size:
        raise ConfigurationError(
            f"the model {folder.title} cannot read all that its tokenizer writes: tokenizer.json has ids up to "
            f"{builder.highest_id:,}, but config.json says vocab_size {folder.vocabulary_size:,}; export it again or "
            "choose another model"
        )


def _check_system_prompt(window: ContextWindow, system_prompt: str, *, is_shortened: bool) -> None:
    tokens, limit = window.system_prompt_tokens(system_prompt), window.budget.system_prompt_limit
    if tokens > limit:
        budget = window.budget
        if budget.prompt_limit == budget.max_prompt_tokens:
            more_room = "raise MAX_PROMPT_TOKENS"
        else:
            more_room = "raise MAX_CONTEXT_TOKENS" if is_shortened else "lower MAX_NEW_TOKENS"
        raise ConfigurationError(
            f"SYSTEM_PROMPT takes {tokens:,} tokens, more than half of the {budget.prompt_limit:,} that this model's "
            f"prompt may have; shorten it, or {more_room}"
        )
