"""Prompts that are the same in every run: random token ids, made-up questions, and a few real ones."""

from __future__ import annotations

import random

from benchmarking.text import TEXT
from bot.model.folder import ModelFolder
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import read_json

QUESTIONS = (
    "What is the capital of France?",
    "Explain in two sentences why the sky is blue.",
    "Write a short poem about a lighthouse in winter.",
)

_WORDS = TEXT.split()
_QUESTION_TOKENS = 10, 60
_ANSWER_TOKENS = 30, 200


class Prompts:
    """Makes prompts for one model.

    Attributes:
        questions: the ids of real questions in the model's chat format.

    Raises:
        ConfigurationError: the folder's tokenizer or chat template cannot be used.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids)
        self.questions = [self.builder.build([Message("user", question)]).ids for question in QUESTIONS]
        vocabulary = read_json(folder.path / "tokenizer.json")["model"]["vocab"]
        self._plain_ids = sorted(
            token_id
            for token_id in set(vocabulary.values()) - self.builder.tokenizer.control_ids
            if token_id < folder.vocabulary_size
        )

    def random_ids(self, name: str, length: int) -> tuple[int, ...]:
        """Return ids of ordinary tokens, the same for the same name. Two names share no prefix for a cache."""
        return tuple(random.Random(name).choices(self._plain_ids, k=length))  # noqa: S311 - nothing secret

    def made_up_question(self, name: str) -> str:
        """Return 10 to 60 tokens of real words in random order, the same for the same name."""
        return self._made_up(name, *_QUESTION_TOKENS)

    def made_up_answer(self, name: str) -> Message:
        """Return the same with 30 to 200 tokens, as an answer of the model."""
        text = self._made_up(name, *_ANSWER_TOKENS)
        return self.builder.answer(text, self.builder.tokenizer.encode(text))

    def made_up_text(self, name: str, length: int) -> str:
        """Return this many tokens of real words in random order, the same for the same name."""
        return self._made_up(name, length, length)

    def _made_up(self, name: str, fewest: int, most: int) -> str:
        chance = random.Random(name)  # noqa: S311 - nothing secret
        length = chance.randint(fewest, most)
        tokenizer = self.builder.tokenizer
        ids = tokenizer.encode(" ".join(chance.choices(_WORDS, k=length)))  # a word has at least one token
        return tokenizer.decode(ids[:length]).strip()
