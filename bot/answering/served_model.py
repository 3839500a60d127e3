"""Bundles everything that belongs to one loaded model, so that a swap replaces all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.turn import ConversationKey
from bot.engine.interface import Engine, GenerationRequest, Sampling, Source
from bot.prompting.prompt import PromptBuilder


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready to answer. An answer keeps the one it started with.

    Attributes:
        engine: generates the tokens.
        builder: writes prompts in the model's format.
        budget: divides the model's context.
        sampling: how tokens are chosen.
        time_limit_seconds: the longest that one answer may take in the engine.
        window: fits conversations into the model's context.
    """

    engine: Engine
    builder: PromptBuilder
    budget: Budget
    sampling: Sampling
    time_limit_seconds: float
    window: ContextWindow = field(init=False)

    def __post_init__(self) -> None:
        """Build the window from the builder and the budget."""
        object.__setattr__(self, "window", ContextWindow(self.builder, self.budget))

    def request(
        self,
        prompt_ids: tuple[int, ...],
        sources: tuple[Source, ...] = (),
        erasures: int = 0,
        key: ConversationKey | None = None,
    ) -> GenerationRequest:
        """The request that answers a prompt, with this model's limits and sampling.

        Args:
            prompt_ids: leave room for an answer.
            sources: whose words the prompt holds.
            erasures: the number of the latest erasure before the prompt's conversation was read.
            key: of this conversation; None if the prompt belongs to none.
        """
        room = self.budget.context_length - len(prompt_ids)
        return GenerationRequest(
            prompt_ids=prompt_ids,
            stop_ids=self.builder.stop_ids,
            max_new_tokens=min(self.budget.max_new_tokens, room),
            time_limit_seconds=self.time_limit_seconds,
            sampling=self.sampling,
            sources=sources,
            erasures=erasures,
            conversation="" if key is None else key.text,
        )

    def within_engine(self) -> ServedModel:
        """The same model with the context that the loaded engine has for it."""
        facts = self.engine.facts
        if facts is None or facts.context_tokens >= self.budget.context_length:
            return self
        return replace(self, budget=replace(self.budget, context_length=facts.context_tokens))

    @property
    def cache_owner(self) -> int | None:
        """The id of the engine process that owns the cache; None while none runs."""
        return self.engine.facts.process_id if self.engine.facts else None
