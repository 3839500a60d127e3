"""What of a conversation fits into the model's context.

A line of turns only grows at its end. The engine keeps the prefix of earlier prompts in its cache, so a next turn
costs only what is new. Where the context is full, the oldest turns go in one big step: trimming a little each turn
would move the start of the prompt every time and throw the cache away every time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from bot.conversation.budget import Budget
from bot.conversation.shortening import shorten
from bot.conversation.turn import Turn, UserMessage
from bot.conversation.wording import messages_of
from bot.prompting.prompt import Message, Prompt, PromptBuilder

# Where this part of the budget is taken, the next question may well need the rest: better trimmed before it comes.
_FULL = 0.85
# After a trim the history takes at most this part of its budget, so that many turns fit before the next one.
_KEPT_AFTER_TRIM = 0.5
_SMALL_QUESTION = UserMessage("a", author_id=0, author_name="")


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A question with what the model sees before it.

    Attributes:
        prompt: all of it.
        branch: the turns that the model sees, the oldest first.
        asked: the question, shortened where it alone was too long.
        asked_tokens: how long the prompt of the question alone was, before it was shortened.
    """

    prompt: Prompt
    branch: tuple[Turn, ...]
    asked: UserMessage
    asked_tokens: int


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """How a context is used, in tokens.

    Attributes:
        context: all that the model can see at once.
        system_prompt: the system prompt, with the template's tokens around it.
        history: the turns that the next prompt will begin with.
        reserve: kept free for the answer.
        branch: those turns, the oldest first.
    """

    context: int
    system_prompt: int
    history: int
    reserve: int
    branch: tuple[Turn, ...]


class ContextWindow:
    """Fits conversations into one model's context. Its methods compute only, and may run in any thread.

    Args:
        builder: writes the prompts.
        budget: how long they may be.
    """

    def __init__(self, builder: PromptBuilder, budget: Budget) -> None:
        self._builder = builder
        self.budget = budget
        self._fitting_system_prompt = lru_cache(maxsize=64)(self._shorten_system_prompt)

    def fit(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> FittedPrompt:
        """The prompt for a question after a branch of turns.

        Leaves out the oldest turns when the branch is nearly full or the prompt would not fit. Shortens a question that
        does not fit even alone.

        Args:
            system_prompt: "" for none.
            branch: the turns before it, the oldest first.
            asked: the question.
        """
        tokens = len(self._build(system_prompt, (), asked).ids)
        if tokens > self.budget.prompt_limit:
            asked = self._shorten(system_prompt, asked)
        branch = self.roomy(system_prompt, branch)
        prompt = self._build(system_prompt, branch, asked)
        if len(prompt.ids) > self.budget.prompt_limit:
            branch = self._trim(system_prompt, branch, asked)
            prompt = self._build(system_prompt, branch, asked)
        return FittedPrompt(prompt, tuple(branch), asked, tokens)

    def roomy(self, system_prompt: str, branch: Sequence[Turn]) -> Sequence[Turn]:
        """The branch, or its latest turns if all of it leaves too little room for a question. Idempotent."""
        if not self.is_nearly_full(system_prompt, branch):
            return branch
        return self._trim(system_prompt, branch, _SMALL_QUESTION)

    def is_nearly_full(self, system_prompt: str, branch: Sequence[Turn]) -> bool:
        """Whether the next question would well need a trim."""
        length = len(self._build(system_prompt, branch, _SMALL_QUESTION).ids)
        return bool(branch) and length > self.budget.prompt_limit * _FULL

    def prefix(self, system_prompt: str, branch: Sequence[Turn]) -> tuple[int, ...]:
        """The token ids that every next prompt of the branch begins with, whatever is asked."""
        branch = self.roomy(system_prompt, branch)
        # Whoever was speaking alone goes on without a name, and somebody else comes with one.
        speaker_id = next((turn.asked.author_id for turn in branch if turn.asked is not None), 0)
        questions = (
            UserMessage("a", author_id=0, author_name="a"),
            UserMessage("1", author_id=speaker_id, author_name="1"),
        )
        one, other = (self._build(system_prompt, branch, asked).ids for asked in questions)
        return one[: next(index for index, ids in enumerate(zip(one, other, strict=False)) if ids[0] != ids[1])]

    def usage(self, system_prompt: str, branch: Sequence[Turn]) -> ContextUsage:
        """How the context is used before the next question."""
        branch = self.roomy(system_prompt, branch)
        whole, system = (len(self.prefix(system_prompt, each)) for each in (branch, ()))
        return ContextUsage(self.budget.context_length, system, whole - system, self.budget.reserve, tuple(branch))

    def system_prompt_tokens(self, system_prompt: str) -> int:
        """How much of `Budget.system_prompt_limit` a system prompt takes."""
        messages = [Message("system", system_prompt)] if system_prompt else []
        return len(self._builder.build([*messages, Message("user", "")]).ids)

    def _trim(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Sequence[Turn]:
        limit = self.budget.prompt_limit
        target = int(limit * _KEPT_AFTER_TRIM)

        def length(start: int) -> int:
            return len(self._build(system_prompt, branch[start:], asked).ids)

        start = bisect_left(range(len(branch)), True, key=lambda start: length(start) <= target)
        if start == len(branch) and branch and length(start - 1) <= limit:
            # A question about a long text is often followed by another one: better tight than without it.
            start -= 1
        return branch[start:]

    def _shorten(self, system_prompt: str, asked: UserMessage) -> UserMessage:
        """Cut a question's end off, piece by piece: the files, the quote, the text."""
        while (excess := len(self._build(system_prompt, (), asked).ids) - self.budget.prompt_limit) > 0:
            if asked.files:
                *files, last = asked.files
                text = self._less(last.text, excess)
                asked = replace(asked, files=(*files, replace(last, text=text)) if text else tuple(files))
            elif asked.quote is not None:
                text = self._less(asked.quote.text, excess)
                asked = replace(asked, quote=replace(asked.quote, text=text) if text else None)
            elif asked.text:
                asked = replace(asked, text=self._less(asked.text, excess))
            else:
                break  # the engine says so where even nothing is too long
        return asked

    def _less(self, text: str, excess: int) -> str:
        tokens = len(self._builder.tokenizer.encode(text))
        return shorten(text, max(tokens - excess, 0), self._builder.tokenizer)

    def _shorten_system_prompt(self, system_prompt: str) -> str:
        """A persona was checked when it was set, but another model may have come since."""
        limit = self.budget.system_prompt_limit
        while (excess := self.system_prompt_tokens(system_prompt) - limit) > 0 and system_prompt:
            system_prompt = self._less(system_prompt, excess)
        return system_prompt

    def _build(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Prompt:
        system_prompt = self._fitting_system_prompt(system_prompt)
        system = [Message("system", system_prompt)] if system_prompt else []
        return self._builder.build([*system, *messages_of(branch, asked)])
