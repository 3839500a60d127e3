"""A model that is ready to answer, with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.engine.interface import Engine, GenerationRequest, Sampling
from bot.prompting.prompt import PromptBuilder


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What answers are made with. Another model replaces it as a whole, so an answer keeps what it began with.

    Attributes:
        engine: generates the tokens.
        builder: writes prompts for the engine's model.
        budget: how the model's context is divided.
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
        """Make what fits conversations into this model's context."""
        object.__setattr__(self, "window", ContextWindow(self.builder, self.budget))

    def request(self, prompt_ids: tuple[int, ...]) -> GenerationRequest:
        """A request to answer a prompt, with the limits and the sampling that hold for everybody."""
        room = self.budget.context_length - len(prompt_ids)
        return GenerationRequest(
            prompt_ids=prompt_ids,
            stop_ids=self.builder.stop_ids,
            max_new_tokens=min(self.budget.max_new_tokens, room),
            time_limit_seconds=self.time_limit_seconds,
            sampling=self.sampling,
        )

    @property
    def cache_owner(self) -> int | None:
        """The engine process whose cache prompts are read into; None while there is none."""
        return self.engine.facts.process_id if self.engine.facts else None
