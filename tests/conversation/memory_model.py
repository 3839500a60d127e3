"""A simple model of conversation memory, to compare the real one with: plain objects, no store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bot.conversation.turn import ConversationKey

Branch = list[tuple[str, int, str | None, str]]
"""For each turn: the question, who asked, the quote, and the answer."""


@dataclass
class Cited:
    """A quote."""

    message_id: int
    by: int
    text: str


@dataclass
class Said:
    """A question, with its answer once there is one.

    Attributes:
        parent: the question that it continues.
        first: the oldest question that the model saw.
        gone: erased, so that nothing of it may appear anywhere.
    """

    id: int
    key: ConversationKey
    by: int
    text: str
    cited: Cited | None
    resets: int
    parent: int | None = None
    first: int = 0
    answer: str = ""
    gone: bool = False


@dataclass
class MemoryModel:
    """All conversations.

    Attributes:
        said: answered questions, by id.
        running: the question that is being answered in each conversation.
        tips: the tip of each conversation.
        resets: the number of resets of each.
        replies: the channel of each message of the bot, and the question that it answers.
    """

    said: dict[int, Said] = field(default_factory=dict)
    running: dict[ConversationKey, Said] = field(default_factory=dict)
    tips: dict[ConversationKey, int | None] = field(default_factory=dict)
    resets: Counter[ConversationKey] = field(default_factory=Counter)
    replies: dict[int, tuple[int, int]] = field(default_factory=dict)

    def turn_of(self, message_id: int) -> int | None:
        found = self.said.get(self._question_of(message_id))
        return None if found is None or found.gone else found.id

    def branch(self, key: ConversationKey, reply_to: int | None = None) -> Branch:
        """The branch that the next question continues."""
        path = self._path(key, self._continued(key, reply_to))
        return [(one.text, one.by, one.cited.text if one.cited else None, one.answer) for one in path if not one.gone]

    def begin(self, question: Said, reply_to: int | None) -> None:
        question.parent = self._continued(question.key, reply_to)
        question.resets = self.resets[question.key]
        self.running[question.key] = question

    def end(self, key: ConversationKey, answer: str | None, hidden: int) -> None:
        """End a question: answered with the oldest turns hidden from the model, or without an answer."""
        question = self.running.pop(key)
        if answer is None or question.gone:
            return
        path = self._path(key, question.parent)
        seen = [one.id for one in path if not one.gone][hidden:] if hidden else [one.id for one in path]
        question.answer, question.first = answer, (seen or [question.id])[0]
        self.said[question.id] = question
        if question.resets == self.resets[key]:
            self.tips[key] = question.id

    def reset(self, key: ConversationKey) -> None:
        self.resets[key] += 1
        self.tips[key] = None

    def edit(self, message_id: int, text: str) -> None:
        for one in self._live():
            if one.id == message_id:
                one.text = text
            if one.cited and one.cited.message_id == message_id:
                one.cited.text = text

    def erase(self, message_ids: Collection[int]) -> None:
        gone = {*message_ids, *map(self._question_of, message_ids)}
        for one in self._live():
            one.gone = one.id in gone
            if one.cited and one.cited.message_id in message_ids:
                one.cited = None

    def forget(self, person: int, channel_id: int | None) -> tuple[int, int]:
        """Return the number of forgotten turns, and of forgotten quotes in other members' turns."""
        turns = quotes = 0
        for one in self._live():
            if channel_id not in (None, one.key.channel_id):
                continue
            answered = one.id in self.said
            if one.by == person:
                one.gone = True
                turns += answered
            elif one.cited and one.cited.by == person:
                one.cited = None
                quotes += answered
        return turns, quotes

    def forget_before(self, message_id: int) -> None:
        for one in self._live():
            one.gone = one.id < message_id
            if one.cited and one.cited.message_id < message_id:
                one.cited = None

    def texts(self) -> set[str]:
        """All texts that are allowed to exist."""
        live = list(self._live())
        return {one.text for one in live} | {one.answer for one in live} | {one.cited.text for one in live if one.cited}

    def _question_of(self, message_id: int) -> int:
        return self.replies[message_id][1] if message_id in self.replies else message_id

    def _live(self) -> Iterator[Said]:
        return (one for one in [*self.said.values(), *self.running.values()] if not one.gone)

    def _continued(self, key: ConversationKey, reply_to: int | None) -> int | None:
        replied = None if reply_to is None else self.turn_of(reply_to)
        if replied or self.tips.get(key):
            return replied or self.tips[key]
        return None if self.resets[key] else self.turn_of(key.channel_id)

    def _path(self, key: ConversationKey, tip: int | None) -> list[Said]:
        """The questions up to one, the oldest first; those that are gone keep their places."""
        path: list[Said] = []
        while tip in self.said:
            assert tip is not None
            path.insert(0, self.said[tip])
            if tip == path[-1].first or path[0].key != key:
                break
            tip = path[0].parent
        return path
