"""All rules of the queue at once, under random joins, leaves and pauses."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.answering.queue import QueueFullError, Ticket, WaitsFor
from tests.answering.answers import queue_of


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a plain record of what waits, what runs and who started since the queue was last idle."""

    @initialize(most_running=st.integers(1, 3))
    def open(self, most_running: int) -> None:
        self.queue, self.most_running, self.paused = queue_of(most_running, 6, 3), most_running, False
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self.started: list[Hashable] = []  # members, in the order in which their questions started
        self.started_before: dict[Ticket, int] = {}  # how many had started when it joined
        self.expected: dict[Ticket, int] = {}  # the positions before the latest step

    def may_start(self, conversation: Hashable, person: Hashable) -> bool:
        busy = {(ticket.conversation, ticket.person) for ticket in self.running}
        return not self.paused and len(self.running) < self.most_running and (conversation, person) not in busy

    def is_startable(self, ticket: Ticket) -> bool:
        return self.may_start(ticket.conversation, ticket.person)

    def start(self, ticket: Ticket) -> None:
        assert self.is_startable(ticket)
        for other in self.waiting[: self.waiting.index(ticket)]:
            assert other.person != ticket.person or not self.is_startable(other)
        for other in self.waiting:
            if other.person != ticket.person and self.is_startable(other):
                # No second start before another's first: since the queue was idle, and since the other asked.
                for started in (self.started, self.started[self.started_before[other] :]):
                    assert ticket.person not in started or other.person in started
        self.waiting.remove(ticket)
        self.running.append(ticket)
        self.started.append(ticket.person)

    def observe(self) -> None:
        for ticket in sorted((p for p in self.waiting if p.position == 0), key=lambda p: self.expected.get(p, 0)):
            self.start(ticket)
        self.expected = {ticket: ticket.position for ticket in self.waiting}
        if not self.waiting and not self.running:
            self.started.clear()

    @rule(conversation=st.integers(0, 3), person=st.sampled_from("abcd"))
    def join(self, conversation: int, person: str) -> None:
        theirs = sum(ticket.person == person for ticket in self.waiting)
        if not self.may_start(conversation, person) and (theirs == 3 or len(self.waiting) == 6):
            with pytest.raises(QueueFullError) as caught:
                self.queue.join(conversation, person)
            assert caught.value.per_person == (theirs == 3)
        else:
            self.waiting.append(self.queue.join(conversation, person))
            self.started_before[self.waiting[-1]] = len(self.started)
        self.observe()

    @rule(number=st.integers(0, 5))
    def leave(self, number: int) -> None:
        for ticket in (self.running + self.waiting)[number : number + 1]:
            (self.running if ticket in self.running else self.waiting).remove(ticket)
            ticket.leave()
            self.observe()

    @rule(paused=st.sampled_from([True, False, False, False]))
    def pause_or_resume(self, paused: bool) -> None:
        self.paused = paused
        (self.queue.pause if paused else self.queue.resume)()
        self.observe()

    @invariant()
    def every_ticket_is_where_it_belongs(self) -> None:
        assert not any(map(self.is_startable, self.waiting))
        assert sorted(self.expected.values()) == list(range(1, 1 + len(self.waiting)))
        assert all(ticket.position == 0 for ticket in self.running)
        assert (self.queue.running, self.queue.waiting) == (len(self.running), len(self.waiting))

    @invariant()
    def only_own_questions_hold_anybody_up_while_more_may_run(self) -> None:
        if not self.paused and len(self.running) < self.most_running:
            assert {ticket.waits_for for ticket in self.waiting} <= {WaitsFor.OWN, WaitsFor.OWN_QUESTIONS}

    def teardown(self) -> None:
        """Run everything: questions start in the order that their positions predicted."""
        predicted = self.running + sorted(self.expected, key=lambda ticket: self.expected[ticket])
        ended: list[Ticket] = []
        self.pause_or_resume(False)
        while self.running:
            ended.append(self.running[0])
            self.leave(0)
        assert ended == predicted
        assert self.queue.idle


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)
