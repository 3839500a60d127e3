"""The figures of a crowd on Discord: pure functions of what was seen there and of the bot's log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median

from separate_bot.replies import BotMessage

_GENERATED = re.compile(
    r"^(?P<time>\S+ \S+) INFO \S+: Generated: message_id=(?P<message>\d+) .*\bseconds=(?P<seconds>[\d.]+)$",
    re.MULTILINE,
)
_COMPARED_CHARACTERS = 20


@dataclass(frozen=True, slots=True)
class Sight:
    """A message of the bot as somebody saw it when it was sent or edited.

    Attributes:
        at: in seconds of `time.time()`.
        is_new: whether it was sent; otherwise it was edited.
    """

    at: float
    message: BotMessage
    is_new: bool


@dataclass(slots=True)
class Generation:
    """When the model generated an answer, in seconds of `time.time()`."""

    began_at: float
    ended_at: float


@dataclass(slots=True)
class ShownAnswer:
    """When the text of an answer appeared and grew on Discord.

    Attributes:
        question_id: the message that it answers.
        generation: None if the log does not have it, as for an answer of the time before.
        shown_at: the times of all its messages and edits with text, in order.
    """

    question_id: int
    generation: Generation | None
    shown_at: list[float] = field(default_factory=list)

    @property
    def first_lateness(self) -> float:
        """Seconds from the first generated token to the first text."""
        return self.shown_at[0] - self._generation.began_at

    @property
    def last_lateness(self) -> float:
        """Seconds from the end of the generation to the last text."""
        return self.shown_at[-1] - self._generation.ended_at

    @property
    def longest_still(self) -> float:
        """The longest time between two texts."""
        return max((later - earlier for earlier, later in pairwise(self.shown_at)), default=0.0)

    @property
    def _generation(self) -> Generation:
        assert self.generation is not None
        return self.generation


def read_generations(log: str) -> dict[int, Generation]:
    """Return when the answers were generated, by question, from a log of the bot in this machine's time zone."""
    found = {}
    for line in _GENERATED.finditer(log):
        ended_at = datetime.fromisoformat(line["time"]).timestamp()
        found[int(line["message"])] = Generation(ended_at - float(line["seconds"]), ended_at)
    return found


def shown_answers(
    sights: Sequence[Sight],
    answers: Mapping[int, str],
    replies: Mapping[int, Sequence[int]],
    generations: Mapping[int, Generation],
) -> list[ShownAnswer]:
    """Return when each answer appeared.

    Args:
        answers: the texts in memory, by question.
        replies: the messages of each answer, by question.
    """
    question_of = {message_id: question for question, ids in replies.items() for message_id in ids}
    shown = {question: ShownAnswer(question, generations.get(question)) for question in answers}
    for sight in sights:
        question = question_of.get(sight.message.id)
        if question in shown and not is_note(sight.message, answers[question]):
            shown[question].shown_at.append(sight.at)
    return [each for each in shown.values() if each.shown_at]


def is_note(message: BotMessage, answer: str) -> bool:
    """Return whether a first message shows a note, such as the place in the queue, instead of the answer's text."""
    begins = message.content[:_COMPARED_CHARACTERS].strip()
    return message.question_id is not None and not answer.strip().startswith(begins)


def lateness(answers: Iterable[ShownAnswer]) -> dict[str, float]:
    """Return the median and the worst lateness of first and last texts, and how long an answer stood still."""
    known = [each for each in answers if each.generation is not None]
    if not known:
        return {}
    firsts, lasts = [each.first_lateness for each in known], [each.last_lateness for each in known]
    return {
        "first_text_median_seconds": median(firsts),
        "first_text_worst_seconds": max(firsts),
        "last_text_median_seconds": median(lasts),
        "last_text_worst_seconds": max(lasts),
        "still_worst_seconds": max(each.longest_still for each in known),
    }


def waits(asked_at: Mapping[int, float], answers: Iterable[ShownAnswer]) -> dict[str, float]:
    """Return the median and the worst time from a question to its first token and to its first text."""
    known = [(asked_at[each.question_id], each) for each in answers if each.generation is not None]
    if not known:
        return {}
    tokens = [each.generation.began_at - at for at, each in known if each.generation is not None]
    texts = [each.shown_at[0] - at for at, each in known]
    return {
        "first_token_median_seconds": median(tokens),
        "first_token_worst_seconds": max(tokens),
        "first_text_median_seconds": median(texts),
        "first_text_worst_seconds": max(texts),
    }
