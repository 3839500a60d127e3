"""How many tokens of the context go to the prompt and to the answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """The division of a model's context, in tokens.

    Attributes:
        context_length: of the model.
        max_new_tokens: the setting for the longest answer.
        max_prompt_tokens: the setting for the longest prompt; None leaves it to the context.
    """

    context_length: int
    max_new_tokens: int
    max_prompt_tokens: int | None = None

    @property
    def reserve(self) -> int:
        """Tokens reserved for the answer: at most half the context, so that small models can still read a prompt."""
        return min(self.max_new_tokens, self.context_length // 2)

    @property
    def prompt_limit(self) -> int:
        """Upper bound of a prompt."""
        room = self.context_length - self.reserve
        return room if self.max_prompt_tokens is None else min(room, self.max_prompt_tokens)

    @property
    def system_prompt_limit(self) -> int:
        """Upper bound of a system prompt with the template's tokens around it. The rest is for the conversation."""
        return self.prompt_limit // 2

    @property
    def earlier_quotes_limit(self) -> int:
        """Upper bound of the messages before the one that a question replies to, so that the history keeps its room."""
        return self.prompt_limit // 4
