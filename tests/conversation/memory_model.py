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
        parent: the question that it continues; others may come in between until it is answered.
        is_reply: it continues the question of the message that it replies to, whatever others ask.
        path: the questions before it when it began.
        left: those of them that were not gone.
        began: how many questions were answered before.
        answered: the same when its own answer ended.
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
    is_reply: bool = False
    path: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    began: int = 0
    answered: int = 0
    first: int = 0
    answer: str = ""
    gone: bool = False


@dataclass
class MemoryModel:
    """All conversations.

    Attributes:
        said: answered questions, by id.
        running: the questions that are being answered, by id.
        tips: the tip of each conversation.
        resets: the number of resets of each.
        replies: the channel of each message of the bot, and the question that it answers.
    """

    said: dict[int, Said] = field(default_factory=dict)
    running: dict[int, Said] = field(default_factory=dict)
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

    def is_answering(self, key: ConversationKey, person: int) -> bool:
        return any((one.key, one.by) == (key, person) for one in self.running.values())

    def begin(self, question: Said, reply_to: int | None) -> None:
        question.parent = self._continued(question.key, reply_to)
        question.is_reply = reply_to is not None and self.turn_of(reply_to) is not None
        question.resets = self.resets[question.key]
        path = self._path(question.key, question.parent)
        question.path = [one.id for one in path]
        question.left = [one.id for one in path if not one.gone]
        question.began = len(self.said)
        self.running[question.id] = question

    def end(self, question_id: int, answer: str | None, hidden: int) -> None:
        """End a question: answered with the oldest turns hidden from the model, or without an answer."""
        question = self.running.pop(question_id)
        if answer is None or question.gone:
            return
        seen = question.left[hidden:] if hidden else question.path
        question.answer, question.first = answer, (seen or [question.id])[0]
        is_open = question.resets == self.resets[question.key]
        if is_open and not question.is_reply:
            self._move_after_others(question, seen)
        question.answered = len(self.said)
        self.said[question.id] = question
        if is_open:
            self.tips[question.key] = question.id

    def _move_after_others(self, question: Said, seen: list[int]) -> None:
        """Let the questions that continued the same since come before it; it sees no more than they or it did."""
        others: list[int] = []
        above = tip = self.tips.get(question.key)
        while above is not None and above in self.said and self.said[above].answered >= question.began:
            others.insert(0, above)
            above = self.said[above].parent
        if tip is None or not others or above != question.parent:
            return
        own = [*seen, *others]
        theirs = [one.id for one in self._path(question.key, tip)]
        question.parent, question.first = tip, min(own, theirs, key=len)[0]

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
