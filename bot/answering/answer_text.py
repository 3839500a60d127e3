"""Separates the thought of a thinking model from its answer, while the tokens arrive."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from bot.prompting.detokenizer import Detokenizer
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.thinking import ThoughtMarks


class _Part(Enum):
    BEGINNING = auto()  # nothing so far, or the beginning of a mark
    THOUGHT = auto()
    ANSWER = auto()


class AnswerText:
    """Turns the ids of an answer into the answer's text, without the thought before it.

    A mark counts only at the very beginning. Further on it is a text like any other: the model may be asked about it.

    Args:
        builder: of the prompt that is answered.

    Attributes:
        ids: all ids so far.
        text: the answer so far; it only ever grows.
    """

    def __init__(self, builder: PromptBuilder) -> None:
        self._builder = builder
        self._thinking = builder.thinking
        self._detokenizer = Detokenizer(self._decode)
        self._marks: ThoughtMarks | None = self._thinking.begun_by_prompt
        self._part = _Part.BEGINNING if self._marks is None else _Part.THOUGHT
        self._part_at = 0  # where the part begins in all text
        self._searched = 0  # all text before this holds no closing mark
        self._thoughts: list[str] = []
        self.text = ""

    @property
    def ids(self) -> list[int]:
        """All ids so far, those of the thought too."""
        return self._detokenizer.ids

    @property
    def is_thinking(self) -> bool:
        """Whether the thought has not ended; there is no answer then."""
        return self._part is _Part.THOUGHT

    @property
    def has_thought(self) -> bool:
        """Whether a thought has begun."""
        return self._marks is not None

    @property
    def thought(self) -> str:
        """The thought so far."""
        unfinished = [self._detokenizer.text[self._part_at :]] if self.is_thinking else []
        return "\n\n".join(filter(None, (text.strip() for text in (*self._thoughts, *unfinished))))

    @property
    def message(self) -> Message:
        """The answer for later prompts.

        Without the ids if there is a thought: what the engine has in its cache after the thought cannot be reused
        without it, so nothing is lost by encoding the answer again.
        """
        return Message("assistant", self.text) if self.has_thought else self._builder.answer(self.text, self.ids)

    def add(self, ids: Sequence[int]) -> str:
        """Add token ids and return the answer so far."""
        for token in ids:  # one by one: from a mark on, ids are decoded in another way
            self._detokenizer.add((token,))
            self._read()
        return self.text

    def finish(self) -> str:
        """Return the whole answer after the last token."""
        self._detokenizer.finish()
        self._read()
        if self._part is _Part.BEGINNING:
            self._begin_answer()
        return self.text

    def _decode(self, ids: Sequence[int]) -> str:
        texts = frozenset[str]() if self._part is _Part.ANSWER else self._thinking.texts
        return self._builder.tokenizer.decode(ids, shown=texts)

    def _read(self) -> None:
        """Read on in the text, through as many parts as have ended."""
        while self._part is not _Part.ANSWER:
            ended = self._read_beginning() if self._part is _Part.BEGINNING else self._read_thought()
            if not ended:
                return
        self.text = self._detokenizer.text[self._part_at :]

    def _read_beginning(self) -> bool:
        beginning = self._detokenizer.text[self._part_at :].lstrip()
        for marks in self._thinking.marks:
            if beginning.startswith(marks.opening):
                self._marks, self._part = marks, _Part.THOUGHT
                self._part_at = self._searched = len(self._detokenizer.text) - len(beginning) + len(marks.opening)
                return True
        if any(marks.opening.startswith(beginning) for marks in self._thinking.marks):
            return False
        self._begin_answer()
        return True

    def _read_thought(self) -> bool:
        assert self._marks is not None
        text, closing = self._detokenizer.text, self._marks.closing
        end = text.find(closing, self._searched)
        if end < 0:
            self._searched = max(self._searched, len(text) - len(closing) + 1)
            return False
        self._thoughts.append(text[self._part_at : end])
        self._part, self._part_at = _Part.BEGINNING, end + len(closing)  # another thought may follow
        return True

    def _begin_answer(self) -> None:
        text = self._detokenizer.text
        if self.has_thought:
            self._part_at = len(text) - len(text[self._part_at :].lstrip())
        self._part = _Part.ANSWER
        self.text = text[self._part_at :]
