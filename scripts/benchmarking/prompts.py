"""The prompts: random token ids that are the same in every run, and a few real questions."""

from __future__ import annotations

import random

from bot.core.prompt import Message, PromptBuilder
from bot.core.tokenizer import read_json
from bot.model.folder import ModelFolder

QUESTIONS = (
    "What is the capital of France?",
    "Explain in two sentences why the sky is blue.",
    "Write a short poem about a lighthouse in winter.",
)


class Prompts:
    """Makes prompts for one model.

    Args:
        folder: the model's folder.

    Attributes:
        questions: the ids of real questions in the model's own chat format.

    Raises:
        ConfigurationError: the folder's tokenizer or chat template cannot be used.
    """

    def __init__(self, folder: ModelFolder) -> None:
        builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids)
        self.questions = [builder.build([Message("user", question)]).ids for question in QUESTIONS]
        vocabulary = read_json(folder.path / "tokenizer.json")["model"]["vocab"]
        self._plain_ids = sorted(
            token_id
            for token_id in set(vocabulary.values()) - builder.tokenizer.control_ids
            if token_id < folder.vocabulary_size
        )

    def random_ids(self, name: str, length: int) -> tuple[int, ...]:
        """Ids of plain tokens, the same for the same name. Two names share no prefix that a cache could use."""
        return tuple(random.Random(name).choices(self._plain_ids, k=length))  # noqa: S311 - nothing secret
