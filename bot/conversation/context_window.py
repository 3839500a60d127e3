"""Fits conversations into a model's context.

A branch only grows at its end, so the engine finds the beginning of each prompt in its prefix cache and reads only
what is new. Trimming moves that beginning and loses the cache. So when the context is full, half of the history goes
at once, instead of a little with every turn. A summary of it stays, if there was time to write one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from bot.conversation.budget import Budget
from bot.conversation.shortening import shorten
from bot.conversation.sources import sources_of
from bot.conversation.summaries import MOST_COVERED, covers_of
from bot.conversation.turn import File, Question, Quote, Relation, TextFile, Turn, UnreadFile, UserMessage
from bot.conversation.wording import SUMMARY_REQUEST, messages_of, worded_turns
from bot.engine.interface import Source
from bot.prompting.prompt import Message, Prompt, PromptBuilder

# Above this part of the prompt limit, the next question may not fit: trim before it arrives.
_NEARLY_FULL = 0.85
# A trim leaves at most this part of the prompt limit, so that many turns fit before the next trim.
_KEPT_AFTER_TRIM = 0.5
# Above this part, what the next trim will drop is summarized, so that several idle moments remain for it.
_WORTH_A_SUMMARY = 0.6
_LONGEST_SUMMARY = 256
_SHORTEST_SUMMARY = 16
_SUMMARY_SHARE = 0.1
_SMALL_QUESTION = UserMessage("a", author_id=0, author_name="")


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """A prompt within the budget, and what became of the conversation to get there.

    Attributes:
        branch: the turns in the prompt, the oldest first.
        asked: the question, shortened if it was too long even without a history, or if its chain of replies was.
        asked_tokens: the length of the prompt with the whole question and no history.
    """

    prompt: Prompt
    branch: tuple[Turn, ...]
    asked: UserMessage
    asked_tokens: int

    def sources(self, question: Question) -> tuple[Source, ...]:
        """Whose words the prompt holds, for the question that it asks."""
        question = replace(question, asked=self.asked)
        return sources_of(self.prompt.starts, len(self.prompt.ids), self.branch, question)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The token ids that every next prompt of a branch begins with, and whose words they hold."""

    ids: tuple[int, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class SummaryPrompt:
    """Asks the model for a summary.

    Attributes:
        turns: what is summarized, the oldest first; an earlier summary may be the first.
        sources: whose words the prompt holds.
        max_new_tokens: the longest summary.
    """

    turns: tuple[Turn, ...]
    ids: tuple[int, ...]
    sources: tuple[Source, ...]
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class ContextUsage:
    """The use of a context, in tokens.

    Attributes:
        context: its whole length.
        system_prompt: including the template's tokens around it.
        history: the turns that the next prompt begins with.
        reserve: what is kept free for the answer.
        branch: the turns of `history`, the oldest first.
    """

    context: int
    system_prompt: int
    history: int
    reserve: int
    branch: tuple[Turn, ...]


class ContextWindow:
    """Fits conversations into one model's context. Its methods only compute and may run in any thread.

    Args:
        builder: of the same model.
        budget: limits the prompts.
    """

    def __init__(self, builder: PromptBuilder, budget: Budget) -> None:
        self._builder = builder
        self.budget = budget
        self._fitting_system_prompt = lru_cache(maxsize=64)(self._shorten_system_prompt)

    def fit(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> FittedPrompt:
        """Build the prompt for a question.

        Trims the branch if it nearly fills the context or the prompt does not fit. Shortens the earlier messages of a
        chain of replies to their part of the budget, and a question that does not fit even alone.

        Args:
            system_prompt: "" for none.
            branch: the turns that the question continues, the oldest first.
            asked: the question.
        """
        asked = self._shorten_earlier_quotes(asked)
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
        """Trim the branch if it leaves too little room for a question. Idempotent."""
        if not self.is_nearly_full(system_prompt, branch):
            return branch
        return self._trim(system_prompt, branch, _SMALL_QUESTION)

    def is_nearly_full(self, system_prompt: str, branch: Sequence[Turn]) -> bool:
        """Whether the branch must be trimmed before the next question."""
        return bool(branch) and self._length(system_prompt, branch) > self.budget.prompt_limit * _NEARLY_FULL

    def summary_prompt(self, system_prompt: str, branch: Sequence[Turn]) -> SummaryPrompt | None:
        """Ask for a summary of what the next trim will drop; None while there is no need, or once there is one."""
        limit = self.budget.prompt_limit
        most_tokens = min(_LONGEST_SUMMARY, int(limit * _SUMMARY_SHARE))
        turns = self._leaving(system_prompt, branch)
        if most_tokens < _SHORTEST_SUMMARY or not any(not turn.is_summary for turn, _, _ in worded_turns(turns)):
            return None
        prompt = self._build(system_prompt, turns, SUMMARY_REQUEST)
        if len(prompt.ids) > limit:
            turns = self._trim(system_prompt, turns, SUMMARY_REQUEST)
            prompt = self._build(system_prompt, turns, SUMMARY_REQUEST)
        sources = sources_of(prompt.starts, len(prompt.ids), turns)
        return SummaryPrompt(tuple(turns), prompt.ids, sources, most_tokens) if turns else None

    def _leaving(self, system_prompt: str, branch: Sequence[Turn]) -> Sequence[Turn]:
        """The turns that the next trim will drop, but not the latest, and no more than a summary may cover."""
        limit = self.budget.prompt_limit
        length = self._length(system_prompt, branch)
        if length <= limit * _WORTH_A_SUMMARY or any(turn.is_summary for turn in branch[1:]):
            return ()
        kept = length - limit * (_NEARLY_FULL - _KEPT_AFTER_TRIM)
        is_short = partial(self._is_short, system_prompt, branch, kept)
        leaving = branch[: bisect_left(range(len(branch) - 1), True, key=is_short)]
        while len(covers_of(leaving)) > MOST_COVERED:
            leaving = leaving[1:]
        return leaving

    def _is_short(self, system_prompt: str, branch: Sequence[Turn], most_tokens: float, start: int) -> bool:
        return self._length(system_prompt, branch[start:]) <= most_tokens

    def prefix(self, system_prompt: str, branch: Sequence[Turn]) -> Prefix:
        """What every next prompt of the branch begins with."""
        branch = self.roomy(system_prompt, branch)
        return self._common_beginning(self._fitting_system_prompt(system_prompt), branch)

    def _common_beginning(self, system_prompt: str, branch: Sequence[Turn]) -> Prefix:
        # A lone speaker's next question has no name and anybody else's begins with one, so try one of each.
        speaker_id = next((turn.asked.author_id for turn in branch if turn.asked is not None), 0)
        questions = (
            UserMessage("a", author_id=0, author_name="a"),
            UserMessage("1", author_id=speaker_id, author_name="1"),
        )
        one, other = (self._build_unfitted(system_prompt, branch, asked) for asked in questions)
        pairs = enumerate(zip(one.ids, other.ids, strict=False))
        length = next(index for index, ids in pairs if ids[0] != ids[1])
        return Prefix(one.ids[:length], sources_of(one.starts, length, branch))

    def usage(self, system_prompt: str, branch: Sequence[Turn]) -> ContextUsage:
        """Measure the context before the next question."""
        branch = self.roomy(system_prompt, branch)
        whole, system = (len(self.prefix(system_prompt, each).ids) for each in (branch, ()))
        return ContextUsage(self.budget.context_length, system, whole - system, self.budget.reserve, tuple(branch))

    def system_prompt_tokens(self, system_prompt: str) -> int:
        """The length of a whole system prompt, as `usage` counts it, to compare with `Budget.system_prompt_limit`."""
        return len(self._common_beginning(system_prompt, ()).ids)

    def _trim(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Sequence[Turn]:
        """Drop the oldest turns. The latest summary stays before the rest, with all that came after it if possible."""
        kept = self._newest(system_prompt, tuple(turn for turn in branch if not turn.is_summary), asked)
        at = max((index for index, turn in enumerate(branch) if turn.is_summary), default=None)
        if at is None:
            return kept
        since, summarized = branch[at:], (branch[at], *kept)
        if not self.is_nearly_full(system_prompt, since) and self._fits(system_prompt, since, asked):
            return since
        return summarized if self._fits(system_prompt, summarized, asked) else kept

    def _newest(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Sequence[Turn]:
        limit = self.budget.prompt_limit
        target = int(limit * _KEPT_AFTER_TRIM)

        def length(start: int) -> int:
            return len(self._build(system_prompt, branch[start:], asked).ids)

        start = bisect_left(range(len(branch)), True, key=lambda start: length(start) <= target)
        if start == len(branch) and branch and length(start - 1) <= limit:
            # Keep a long latest turn if it fits at all: the question is probably about it.
            start -= 1
        return branch[start:]

    def _fits(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> bool:
        return len(self._build(system_prompt, branch, asked).ids) <= self.budget.prompt_limit

    def _length(self, system_prompt: str, branch: Sequence[Turn]) -> int:
        """The length of a prompt with a small question."""
        return len(self._build(system_prompt, branch, _SMALL_QUESTION).ids)

    def _shorten(self, system_prompt: str, asked: UserMessage) -> UserMessage:
        """Shorten a question until it fits.

        Its files go first, from the last to the first; then what it is about, the oldest message first; then its
        earlier messages, the oldest first; and its text at last.
        """
        while (excess := len(self._build(system_prompt, (), asked).ids) - self.budget.prompt_limit) > 0:
            if asked.files:
                asked = replace(asked, files=self._shorten_files(asked.files, excess))
            elif asked.quotes:
                asked = self._shorten_quote(asked, next(iter((*asked.cited, *asked.parts))), excess)
            elif asked.text:
                asked = replace(asked, text=self._shorten_by(asked.text, excess))
            else:
                break  # not even an empty question fits; the engine reports that
        return asked

    def _shorten_earlier_quotes(self, asked: UserMessage) -> UserMessage:
        """Shorten the earlier messages of a chain of replies, the oldest first, until they fit their limit."""
        while earlier := [quote for quote in asked.quotes if quote.relation is Relation.EARLIER]:
            excess = sum(map(self._tokens_of, earlier)) - self.budget.earlier_quotes_limit
            if excess <= 0:
                break
            asked = self._shorten_quote(asked, earlier[0], excess)
        return asked

    def _tokens_of(self, quote: Quote) -> int:
        texts = (quote.text, *(file.text for file in quote.files if isinstance(file, TextFile)))
        return sum(len(self._builder.tokenizer.encode(text)) for text in texts)

    def _shorten_quote(self, asked: UserMessage, quote: Quote, excess: int) -> UserMessage:
        """Shorten the quote's files, then its text, and then leave it out."""
        if quote.files:
            quotes = [replace(quote, files=self._shorten_files(quote.files, excess))]
        else:
            text = self._shorten_by(quote.text, excess)
            quotes = [replace(quote, text=text)] if text else []
        at = asked.quotes.index(quote)
        return replace(asked, quotes=(*asked.quotes[:at], *quotes, *asked.quotes[at + 1 :]))

    def _shorten_files(self, files: Sequence[File], excess: int) -> tuple[File, ...]:
        """Shorten the last file, down to its name, and then leave it out."""
        *others, last = files
        if not isinstance(last, TextFile):
            return tuple(others)
        text = self._shorten_by(last.text, excess)
        return (*others, replace(last, text=text) if text else UnreadFile(last.id, last.name, "file"))

    def _shorten_by(self, text: str, excess: int) -> str:
        tokens = len(self._builder.tokenizer.encode(text))
        return shorten(text, max(tokens - excess, 0), self._builder.tokenizer)

    def _shorten_system_prompt(self, system_prompt: str) -> str:
        """Shorten a persona that was set under a model with a larger context."""
        limit = self.budget.system_prompt_limit
        while (excess := self.system_prompt_tokens(system_prompt) - limit) > 0 and system_prompt:
            system_prompt = self._shorten_by(system_prompt, excess)
        return system_prompt

    def _build(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Prompt:
        return self._build_unfitted(self._fitting_system_prompt(system_prompt), branch, asked)

    def _build_unfitted(self, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> Prompt:
        system = [Message("system", system_prompt)] if system_prompt else []
        return self._builder.build([*system, *messages_of(branch, asked)])
