"""Memory agrees with a simple model after any sequence of questions, changes, restarts and outages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from bot.conversation.store import ForgottenCount
from bot.conversation.turn import ConversationKey, Question, Quote, Turn, UserMessage
from tests.conversation.memory_model import Branch, Cited, MemoryModel, Said
from tests.conversation.remembering_bot import RememberingBot

PEOPLE = (7, 8, 9)
CHANNELS = (1, 2)
WORDS = re.compile(r"(?:written|answered) \d+")

some = st.integers(0, 60)
"""Selects one of the existing items, modulo their number."""


@dataclass
class Written:
    """A member's message on Discord."""

    channel_id: int
    by: int
    text: str


class MemoryMachine(RuleBasedStateMachine):
    """Does the same things to the bot and to the model."""

    bot: RememberingBot
    per_person: bool

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1000)
        self.model = MemoryModel()
        self.written: dict[int, Written] = {}
        self.reply_to: dict[int, int | None] = {}
        self.thread: int | None = None

    @initialize(per_person=st.booleans(), most_open=st.sampled_from([1, 2, 256]))
    def start(self, per_person: bool, most_open: int) -> None:
        self.per_person = per_person
        self.bot = RememberingBot(most_open)

    def teardown(self) -> None:
        if hasattr(self, "bot"):
            try:
                self.compare()
            finally:
                self.bot.close()

    # ------------------------------------------------------------ what members do

    @rule(person=st.sampled_from(PEOPLE), where=some)
    def remark(self, person: int, where: int) -> None:
        """Write a message without asking the bot."""
        self.write(person, self.place(where))

    @rule(person=st.sampled_from(PEOPLE), where=some, about=some, is_reply=st.booleans())
    def mention(self, person: int, where: int, about: int, is_reply: bool) -> None:
        """Ask a question, unless one of the same member is being answered in the conversation."""
        place = self.place(where)
        key = self.key(place, person)
        if self.model.is_answering(key, person):
            return
        here = [each for each, written in self.written.items() if written.channel_id == place]
        here += [reply for reply, (channel_id, _) in self.model.replies.items() if channel_id == place]
        reply_to = here[about % len(here)] if is_reply and here else None
        cited = self.cited(key, reply_to)
        message_id = self.write(person, place)
        self.reply_to[message_id] = reply_to
        self.begin(Said(message_id, key, person, self.written[message_id].text, cited, resets=0))

    @rule(
        person=st.sampled_from(PEOPLE),
        where=some,
        about=some,
        is_reply=st.booleans(),
        trims=st.lists(st.sampled_from([0, 0, 0, 1, 2]), min_size=1, max_size=4),
    )
    def converse(self, person: int, where: int, about: int, is_reply: bool, trims: Sequence[int]) -> None:
        """Ask several questions in a row, each after the answer to the one before."""
        for trimmed in trims:
            self.mention(person, where, about, is_reply)
            self.answer(self.index_of(person, where), replies=0, hidden=trimmed, is_delivered=True)

    @rule(
        where=some, order=st.permutations(PEOPLE), trims=st.lists(st.sampled_from([0, 0, 1, 9]), min_size=3, max_size=3)
    )
    def converse_at_once(self, where: int, order: Sequence[int], trims: Sequence[int]) -> None:
        """Let everybody ask before anybody is answered."""
        for person in PEOPLE:
            self.mention(person, where, about=0, is_reply=False)
        for person, trimmed in zip(order, trims, strict=True):
            self.answer(self.index_of(person, where), replies=0, hidden=trimmed, is_delivered=True)

    @precondition(lambda self: self.model.running)
    @rule(which=some, replies=st.integers(0, 2), hidden=st.sampled_from([0, 0, 1, 2, 9]), is_delivered=st.booleans())
    def answer(self, which: int, replies: int, hidden: int, is_delivered: bool) -> None:
        """End an answer, with the oldest turns hidden from the model."""
        question_id = self.running(which)
        for position in range(replies):
            self.reply(self.model.running[question_id], 1 + position)
        text = f"answered {next(self.numbers)}"
        self.bot.end(question_id, text, hidden=hidden, is_delivered=is_delivered)
        self.model.end(question_id, text, hidden)

    @precondition(lambda self: self.model.running)
    @rule(which=some)
    def fail(self, which: int) -> None:
        """End a question without an answer."""
        question_id = self.running(which)
        self.bot.end(question_id, None)
        self.model.end(question_id, None, 0)

    @precondition(lambda self: self.written and self.thread is None)
    @rule(which=some)
    def grow_thread(self, which: int) -> None:
        self.thread = list(self.written)[which % len(self.written)]

    @precondition(lambda self: self.written)
    @rule(which=some)
    def edit(self, which: int) -> None:
        message_id = list(self.written)[which % len(self.written)]
        text = self.written[message_id].text = f"written {next(self.numbers)}"
        self.bot.do(self.bot.conversations.edit(message_id, text, []))
        self.model.edit(message_id, text)

    @precondition(lambda self: self.written)
    @rule(which=st.lists(some, min_size=1, max_size=3))
    def delete(self, which: Sequence[int]) -> None:
        """Delete messages of members and of the bot, one or several at once."""
        messages = [*self.written, *self.model.replies]
        gone = {messages[each % len(messages)] for each in which}
        for message_id in gone:
            self.written.pop(message_id, None)
        self.bot.do(self.bot.conversations.erase(gone))
        self.model.erase(gone)

    @precondition(lambda self: self.model.replies)
    @rule(which=some)
    def take_reply_back(self, which: int) -> None:
        """Let the bot delete a message that its reply no longer needs."""
        reply = list(self.model.replies)[which % len(self.model.replies)]
        self.bot.conversations.reply_deleted(reply)
        self.bot.do(self.bot.work.reply_deleted(reply))
        del self.model.replies[reply]

    @rule(person=st.sampled_from(PEOPLE), where=some)
    def reset(self, person: int, where: int) -> None:
        key = self.key(self.place(where), person)
        self.bot.do(self.bot.conversations.reset(key, next(self.numbers)))
        self.model.reset(key)

    @rule(person=st.sampled_from(PEOPLE), where=some, everywhere=st.booleans())
    def forget(self, person: int, where: int, everywhere: bool) -> None:
        channel_id = None if everywhere else self.place(where)
        forgotten = self.bot.do(
            self.bot.conversations.forget(person, None if channel_id is None else frozenset({channel_id}))
        )
        expected = ForgottenCount(*self.model.forget(person, channel_id))
        assert forgotten == (None if self.bot.locked else expected)

    @precondition(lambda self: self.written)
    @rule(which=st.integers(0, 3))
    def retain(self, which: int) -> None:
        """Let retention delete what is older than one of the oldest messages."""
        oldest = sorted(self.written)[which % len(self.written)]
        self.bot.do(self.bot.conversations.forget_before(oldest))
        self.model.forget_before(oldest)

    # ------------------------------------------------------------ what happens to the bot

    @precondition(lambda self: not self.bot.locked)
    @rule(is_new_process=st.booleans())
    def start_again(self, is_new_process: bool) -> None:
        """End the bot without warning, and start it; recovery answers the running questions again."""
        if is_new_process:
            self.bot.open_file()
        else:
            self.bot.open_conversations()
        left, self.model.running = self.model.running, {}
        for said in left.values():
            if not said.gone:
                for reply_id, (_, question_id) in self.model.replies.items():
                    if question_id == said.id:
                        self.bot.conversations.replied(question_id, reply_id)
                self.begin(said)

    @rule()
    def lock_or_unlock(self) -> None:
        """Start or end an outage in which the file is read-only."""
        if self.bot.locked:
            self.bot.unlock()
        else:
            self.bot.lock()

    # ------------------------------------------------------------ what must hold

    @rule()
    def compare(self) -> None:
        """Compare memory with the model. It is a rule, not an invariant, because it takes long."""
        allowed = self.model.texts()
        places = [*CHANNELS, self.thread] if self.thread else CHANNELS
        for key in {self.key(place, person) for place in places for person in PEOPLE}:
            assert simplified(self.bot.branch(key)) == self.model.branch(key)
            assert set(WORDS.findall(self.bot.held(key))) <= allowed
        if not self.bot.locked:
            assert set(WORDS.findall(self.bot.stored())) <= allowed

    # ------------------------------------------------------------ helpers

    def place(self, which: int) -> int:
        places = [*CHANNELS, self.thread] if self.thread else CHANNELS
        return places[which % len(places)]

    def index_of(self, person: int, where: int) -> int:
        """Which of the running questions is a member's."""
        asked = self.key(self.place(where), person), person
        return [(said.key, said.by) for said in self.model.running.values()].index(asked)

    def running(self, which: int) -> int:
        return list(self.model.running)[which % len(self.model.running)]

    def key(self, place: int, person: int) -> ConversationKey:
        return ConversationKey(place, person if self.per_person else 0)

    def write(self, person: int, place: int) -> int:
        message_id = next(self.numbers)
        self.written[message_id] = Written(place, person, f"written {message_id}")
        return message_id

    def cited(self, key: ConversationKey, reply_to: int | None) -> Cited | None:
        """The message that a question quotes, unless that is in the conversation already."""
        if reply_to is None:
            opened = self.bot.do(self.bot.conversations.peek(key))
            if opened.branch or opened.resets:
                return None
        message_id = key.channel_id if reply_to is None else reply_to
        known = self.model.turn_of(message_id) is not None
        message = self.written.get(message_id)
        return None if known or message is None else Cited(message_id, message.by, message.text)

    def begin(self, said: Said) -> None:
        reply_to = self.reply_to[said.id]
        cited = said.cited
        quote = Quote(cited.message_id, cited.by, f"Person {cited.by}", cited.text) if cited else None
        quotes = () if quote is None else (quote,)
        question = Question(said.id, said.key, UserMessage(said.text, said.by, f"Person {said.by}", quotes), reply_to)
        assert simplified(self.bot.begin(question)) == self.model.branch(said.key, reply_to)
        self.model.begin(said, reply_to)
        self.reply(said, 0)

    def reply(self, said: Said, position: int) -> None:
        reply_id = next(self.numbers)
        self.bot.reply(said.id, reply_id, position)
        self.model.replies[reply_id] = said.key.channel_id, said.id


def simplified(branch: Sequence[Turn]) -> Branch:
    return [
        (
            turn.asked.text,
            turn.asked.author_id,
            turn.asked.quotes[0].text if turn.asked.quotes else None,
            turn.answer.content,
        )
        for turn in branch
        if turn.asked is not None and turn.answer is not None
    ]


SETTINGS = settings(
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.generate],  # shrinking takes minutes: add Phase.shrink when there is a failure
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_memory_agrees_with_the_model() -> None:
    run_state_machine_as_test(MemoryMachine, settings=settings(SETTINGS, max_examples=20, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_agrees_with_the_model_for_long() -> None:
    run_state_machine_as_test(MemoryMachine, settings=settings(SETTINGS, max_examples=400, print_blob=True))
