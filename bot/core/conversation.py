"""What was said in a channel, and how much of it the model sees.

A conversation only grows at its end. The engine keeps the prefix of earlier prompts in its cache, so a next turn
costs only what is new. Where the context is full, the oldest turns go in one big step: trimming a little each turn
would move the start of the prompt every time and throw the cache away every time.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from bot.core.prompt import Message, Prompt, PromptBuilder

# Where this part of the budget is taken, the next question may well need the rest: better trimmed before it comes.
_FULL = 0.85
# After a trim the history takes at most this part of its budget, so that many turns fit before the next one.
_KEPT_AFTER_TRIM = 0.5
# An idle conversation costs a few KB; this bounds what a bot in very many channels holds.
_MOST_CONVERSATIONS = 10_000


class QuestionTooLongError(Exception):
    """One question alone takes more tokens than the context leaves for it."""

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(f"{tokens} tokens, of {limit} at most")
        self.tokens = tokens
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and the answer that it got."""

    question: Message
    answer: Message


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


def one_line(name: str) -> str:
    """A display name that cannot pass for more than a name: one line, without the brackets that mark names."""
    printable = "".join(character if character.isprintable() and character not in "[]" else " " for character in name)
    return " ".join(printable.split()) or "somebody"


class Conversation:
    """The turns of one channel, thread or direct message, under one system prompt.

    Attributes:
        turns: what the model still sees.
        cached_by: the engine process that has read all turns into its cache; None if none has.
    """

    def __init__(self, builder: PromptBuilder, system_prompt: str, budget: Budget) -> None:
        self._builder = builder
        self._system = (Message("system", system_prompt),) if system_prompt else ()
        self._budget = budget
        self._authors: list[str] = []  # the first two whose turns were remembered; more make no difference
        self.turns: list[Turn] = []
        self.cached_by: int | None = None

    def adopt(self, builder: PromptBuilder, budget: Budget) -> None:
        """Go on with another model. What was said stays, and is encoded again where the tokenizer is another."""
        self._builder = builder
        self._budget = budget
        self.cached_by = None

    def user_turn(self, text: str, author: str | None = None) -> Message:
        """What somebody says, under their name once several people talk here.

        The turns before the second person came stay as they are, so that the prompt only grows; that person's first
        turn tells who spoke until then.

        Args:
            text: what they say.
            author: their display name; None where only one person can talk.
        """
        if author is None:
            return Message("user", text)
        author = one_line(author)
        if self._authors in ([], [author]):
            return Message("user", text)
        named = f"[{author}] {text}"
        if len(self._authors) == 1:
            named = f"(Until now {self._authors[0]} was speaking.)\n{named}"
        return Message("user", named)

    def prompt(self, question: Message) -> Prompt:
        """The prompt for a question after all that was said; old turns are forgotten where it would not fit.

        Raises:
            QuestionTooLongError: it does not fit even alone.
        """
        prompt = self._build(question)
        if len(prompt.ids) > self._budget.prompt_limit:
            return self._trim(question)
        return prompt

    def remember(self, question: Message, answer: Message, author: str | None = None) -> None:
        """Add a turn at the end, under the display name of who asked where several people can talk."""
        self.turns.append(Turn(question, answer))
        if author is not None and len(self._authors) < 2 and one_line(author) not in self._authors:
            self._authors.append(one_line(author))

    def prefix(self) -> tuple[int, ...]:
        """What every next prompt begins with, whatever is asked; a history that is all but full is trimmed before."""
        if self.nearly_full:
            self._trim(Message("user", ""))
        return self._prefix()

    @property
    def nearly_full(self) -> bool:
        """Whether the next question may well need a trim."""
        return bool(self.turns) and len(self._prefix()) > self._budget.prompt_limit * _FULL

    def _prefix(self) -> tuple[int, ...]:
        one, other = (self._build(Message("user", text)).ids for text in ("a", "1"))
        return one[: next(index for index, ids in enumerate(zip(one, other, strict=False)) if ids[0] != ids[1])]

    def _trim(self, question: Message) -> Prompt:
        limit = self._budget.prompt_limit
        target = int(limit * _KEPT_AFTER_TRIM)
        forgotten = bisect_left(
            range(len(self.turns)), True, key=lambda start: len(self._build(question, start).ids) <= target
        )
        prompt = self._build(question, forgotten)
        if len(prompt.ids) > limit:
            # Nobody's history is given up for a question that cannot be answered.
            raise QuestionTooLongError(len(prompt.ids), limit)
        del self.turns[:forgotten]
        self.cached_by = None
        return prompt

    def _build(self, question: Message, first_turn: int = 0) -> Prompt:
        history = [message for turn in self.turns[first_turn:] for message in (turn.question, turn.answer)]
        return self._builder.build([*self._system, *history, question])


class Conversations:
    """All conversations, by channel; the ones unused longest go when there are too many."""

    def __init__(
        self, builder: PromptBuilder, system_prompt: str, budget: Budget, most: int = _MOST_CONVERSATIONS
    ) -> None:
        self._builder = builder
        self._system_prompt = system_prompt
        self._budget = budget
        self._most = most
        self._by_key: OrderedDict[Hashable, Conversation] = OrderedDict()

    def adopt(self, builder: PromptBuilder, budget: Budget) -> None:
        """Let all conversations go on with another model."""
        self._builder = builder
        self._budget = budget
        for conversation in self._by_key.values():
            conversation.adopt(builder, budget)

    def recent(self, count: int) -> list[Conversation]:
        """The conversations used last, the latest first."""
        return list(itertools.islice(reversed(self._by_key.values()), count))

    def find(self, key: Hashable) -> Conversation | None:
        """The conversation under this key, if anything was ever said in it."""
        return self._by_key.get(key)

    def get(self, key: Hashable) -> Conversation:
        """The conversation under this key, a new one where there is none."""
        conversation = self._by_key.get(key)
        if conversation is None:
            conversation = Conversation(self._builder, self._system_prompt, self._budget)
            self._by_key[key] = conversation
        self._by_key.move_to_end(key)
        while len(self._by_key) > self._most:
            self._by_key.popitem(last=False)
        return conversation
