"""Where a thinking model's thought begins and ends in what it generates.

Such a model writes its thought between two marks before the answer: `<think>` and `</think>`, or what its chat template
or its tokenizer has instead. Some templates write the first mark themselves, so that the answer begins inside the
thought.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_OPENING = re.compile(r"([<\[◁])((?:\w+:)?(?:think(?:ing)?|thoughts?|reasoning))([>\]▷])", re.IGNORECASE)
_OTHER_MARKS = {
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
}


@dataclass(frozen=True, slots=True)
class ThoughtMarks:
    """The texts between which a thought stands."""

    opening: str
    closing: str


USUAL_MARKS = ThoughtMarks("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a model thinks.

    Attributes:
        marks: any of these may enclose a thought.
        declared: whether the template or the tokenizer has them. Otherwise they are the usual ones, because some models
            think without either knowing of it.
        begun_by_prompt: the marks whose first one the prompt ends with; None if the answer itself begins the thought.
    """

    marks: tuple[ThoughtMarks, ...] = (USUAL_MARKS,)
    declared: bool = False
    begun_by_prompt: ThoughtMarks | None = None

    @classmethod
    def of(cls, template: str, control_texts: Iterable[str], prompt_end: str) -> Thinking:
        """Find out how a model thinks.

        Args:
            template: the source of the chat template.
            control_texts: the texts of the tokenizer's added tokens.
            prompt_end: what the template writes after the last message.
        """
        marks = tuple(dict.fromkeys(mark for text in (template, *control_texts) for mark in _marks_in(text)))
        begun = (each for each in marks if prompt_end.rfind(each.opening) > prompt_end.rfind(each.closing))
        return cls(marks or (USUAL_MARKS,), bool(marks), next(begun, None))

    @property
    def texts(self) -> frozenset[str]:
        """The texts of all marks."""
        return frozenset(text for each in self.marks for text in (each.opening, each.closing))


def _marks_in(text: str) -> list[ThoughtMarks]:
    found = [ThoughtMarks(match[0], f"{match[1]}/{match[2]}{match[3]}") for match in _OPENING.finditer(text)]
    return found + [ThoughtMarks(*pair) for pair in _OTHER_MARKS.items() if pair[0] in text]
