"""How a model's context is divided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """How a model's context is divided, in tokens.

    Attributes:
        context_length: what the model can see at once.
        max_new_tokens: the longest answer that is asked for.
        max_prompt_tokens: the longest prompt that is asked for; None is as long as the context allows.
    """

    context_length: int
    max_new_tokens: int
    max_prompt_tokens: int | None = None

    @property
    def reserve(self) -> int:
        """Kept free for the answer: never more than half the context, so that small models can still read."""
        return min(self.max_new_tokens, self.context_length // 2)

    @property
    def prompt_limit(self) -> int:
        """The longest prompt."""
        room = self.context_length - self.reserve
        return room if self.max_prompt_tokens is None else min(room, self.max_prompt_tokens)

    @property
    def system_prompt_limit(self) -> int:
        """The longest system prompt, with the template's tokens around it: the rest is for what people say."""
        return self.prompt_limit // 2
