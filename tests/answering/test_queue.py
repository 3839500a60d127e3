"""Whose question runs next: the rules one by one, and all of them under random comings and goings."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Hashable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.answering.queue import QuestionQueue, QueueClosedError, QueueFullError, Ticket, TicketLeftError

DEADLINE_SECONDS = 10


def queue_of(most_running: int, most_waiting: int = 200, per_person: int = 200) -> QuestionQueue:
    return QuestionQueue(most_running=most_running, most_waiting=most_waiting, most_waiting_per_person=per_person)


def ask(queue: QuestionQueue, people: str, conversation: Hashable = None) -> list[Ticket]:
    """Join for each person, each time in a new conversation where none is given."""
    return [queue.join(object() if conversation is None else conversation, person) for person in people]


@pytest.mark.parametrize("conversation", [None, "x"])
@pytest.mark.parametrize(
    ("steps", "begun"),
    [
        ("aaaaaaaaaabcd", "abcdaaaaaaaaa"),
        ("aaabbc", "abcaba"),
        ("aaabbb--cc", "abacbacb"),  # who comes later goes before the later questions of several
        ("az-ab", "azba"),  # a turn that is over counts
        ("a-zab", "azab"),  # but not once the queue was idle
        ("zaaa~bba", "zbab"),  # questions given up do not count
    ],
)
def test_nobodys_second_question_begins_before_anothers_first(steps: str, begun: str, conversation: Hashable) -> None:
    """Letters ask, - ends the question that runs, ~ gives up all that wait."""
    queue = queue_of(1 if conversation is None else 4)
    tickets: list[Ticket] = []
    turns = ""
    for step in steps + "-" * len(begun):
        if step == "~":
            while len(tickets) > 1:
                tickets.pop().leave()
        elif step != "-":
            tickets += ask(queue, step, conversation)
        elif tickets:
            (running,) = (ticket for ticket in tickets if ticket.position == 0)
            turns += str(running.person)
            tickets.remove(running)
            running.leave()
    assert turns == begun


def test_one_at_a_time_in_a_conversation_and_nobody_held_up_by_it() -> None:
    queue = queue_of(3)
    tickets = [queue.join("x", "a"), queue.join("x", "b"), queue.join("y", "b")]
    assert [ticket.position for ticket in tickets] == [0, 1, 0]
    assert (queue.running, queue.waiting) == (2, 1)
    tickets[0].leave()
    assert tickets[1].position == 0


def test_who_was_held_up_gets_one_turn_for_it_and_not_many() -> None:
    queue = queue_of(2)
    (holding,) = ask(queue, "z", "x")
    held_up = ask(queue, "aaa", "x")
    for ticket in ask(queue, "bbbb"):
        ticket.leave()
    held_up += ask(queue, "c", "x")
    holding.leave()
    assert [ticket.position for ticket in held_up] == [0, 2, 3, 1]


def test_a_line_that_is_never_idle_does_not_remember_everybody_for_ever() -> None:
    queue = queue_of(2)
    ask(queue, "z")
    for person in (*range(10_000), 0, "last"):
        queue.join("x", person).leave()
    queue.pause()
    forgotten, remembered, newcomer = (queue.join(person, person) for person in (1, 0, "new"))
    assert [ticket.position for ticket in (forgotten, newcomer, remembered)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("most_waiting", "per_person", "told"),
    [
        (64, 1, "You already have 1 question in the queue. Wait for an answer, then ask again."),
        (5, 5, "You already have 5 questions in the queue. Wait for an answer, then ask again."),
        (1, 5, "My queue is full with 1 question. Ask again in a few minutes."),
        (64, 99, "My queue is full with 64 questions. Ask again in a few minutes."),
    ],
)
def test_a_full_line_refuses_kindly_but_not_who_can_begin(most_waiting: int, per_person: int, told: str) -> None:
    queue = queue_of(2, most_waiting, per_person)
    limit = min(most_waiting, per_person)
    ask(queue, "a" * (1 + limit), "x")
    with pytest.raises(QueueFullError) as caught:
        queue.join("x", "a")
    assert str(caught.value) == told
    assert caught.value.per_person == told.startswith("You")
    assert queue.waiting == limit
    assert queue.join("y", "a").position == 0


def test_who_had_a_place_before_gets_one_again_however_many_wait() -> None:
    queue = queue_of(1, 1, 1)
    ask(queue, "ab")
    with pytest.raises(QueueFullError):
        queue.join("y", "a")
    again = [queue.join("y", person, ignore_limits=True) for person in "aab"]
    assert [ticket.position for ticket in again] == [2, 4, 3]
    assert queue.waiting == 4
    queue.close()
    with pytest.raises(QueueClosedError):
        queue.join("y", "a", ignore_limits=True)


async def test_positions_tell_the_newest_at_once_and_after_each_change_until_the_turn() -> None:
    *ahead, last = ask(queue_of(1), "abcdef")
    positions = last.positions()
    assert await anext(positions) == 5
    for ticket in ahead[:2]:  # a slow reader
        ticket.leave()
    assert await anext(positions) == 3
    for ticket, expected in zip(ahead[2:], (2, 1, None), strict=True):
        change = asyncio.ensure_future(anext(positions, None))
        await asyncio.sleep(0)
        assert not change.done()
        ticket.leave()
        assert await asyncio.wait_for(change, DEADLINE_SECONDS) == expected
    assert [position async for position in last.positions()] == []


def test_a_place_knows_how_long_it_waited() -> None:
    first, second = ask(queue_of(1), "ab")
    for still_waits in (True, False):
        waited, start = second.waited_seconds, time.monotonic()
        while time.monotonic() == start:
            pass
        assert (second.waited_seconds > waited) == still_waits
        first.leave()
    assert first.waited_seconds < second.waited_seconds


@pytest.mark.parametrize(("closed", "error"), [(False, TicketLeftError), (True, QueueClosedError)])
async def test_who_left_or_was_sent_away_gets_no_turn(closed: bool, error: type[Exception]) -> None:
    queue = queue_of(1)
    running, waiting = ask(queue, "ab")
    turn = asyncio.create_task(waiting.wait())
    await asyncio.sleep(0)
    (queue.close if closed else waiting.leave)()
    with pytest.raises(error):
        await asyncio.wait_for(turn, DEADLINE_SECONDS)
    assert (running.position, queue.running, queue.waiting) == (0, 1, 0)
    running.leave()
    assert queue.idle


def test_a_closed_line_takes_nobody() -> None:
    queue = queue_of(1)
    queue.close()
    with pytest.raises(QueueClosedError, match="restarting"):
        ask(queue, "a")


@pytest.mark.parametrize("turn_has_come", [False, True])
async def test_a_cancelled_task_leaves_its_place_even_at_the_moment_of_its_turn(turn_has_come: bool) -> None:
    running, cancelled, *others = ask(queue_of(1), "abcd")

    async def run() -> None:
        with cancelled:
            await cancelled.wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    if turn_has_come:
        running.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(2):  # leaving again does nothing
        running.leave()
    assert [ticket.position for ticket in others] == [0, 1]


async def test_many_tasks_with_cancellations_all_get_through() -> None:
    randomness = random.Random(3)
    queue = queue_of(3)

    async def run(ticket: Ticket) -> None:
        with ticket:
            await ticket.wait()
            for _ in range(randomness.randrange(4)):
                await asyncio.sleep(0)

    tickets = [queue.join(randomness.randrange(8), randomness.randrange(6)) for _ in range(150)]
    tasks = [asyncio.create_task(run(ticket)) for ticket in tickets]
    for task in randomness.sample(tasks[20:], 40):
        await asyncio.sleep(0)
        task.cancel()
    async with asyncio.timeout(DEADLINE_SECONDS):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert queue.idle
    assert {type(result) for result in results} == {type(None), asyncio.CancelledError}


async def test_while_paused_nobody_begins() -> None:
    queue = queue_of(2)
    running, waiting = ask(queue, "ab", "x")
    queue.pause()
    nobody_runs = asyncio.create_task(queue.wait_until_nobody_runs())
    newcomer = queue.join("y", "c")
    await asyncio.sleep(0)
    assert not nobody_runs.done()
    running.leave()
    await asyncio.wait_for(nobody_runs, DEADLINE_SECONDS)
    assert (queue.running, queue.waiting, queue.idle) == (0, 2, False)
    turns = asyncio.gather(waiting.wait(), newcomer.wait())
    await asyncio.sleep(0)
    queue.resume()
    await asyncio.wait_for(turns, DEADLINE_SECONDS)


class ComingsAndGoings(RuleBasedStateMachine):
    """The queue beside a plain record of who waits, who runs and who began since the queue was last idle."""

    @initialize(most_running=st.integers(1, 3))
    def open(self, most_running: int) -> None:
        self.queue, self.most_running, self.paused = queue_of(most_running, 6, 3), most_running, False
        self.waiting: list[Ticket] = []
        self.running: list[Ticket] = []
        self.begun: list[Hashable] = []  # people, in the order of their turns
        self.begun_before: dict[Ticket, int] = {}  # how many had begun when it joined
        self.expected: dict[Ticket, int] = {}  # the positions before the latest step

    def may_begin(self, conversation: Hashable) -> bool:
        busy = {ticket.conversation for ticket in self.running}
        return not self.paused and len(self.running) < self.most_running and conversation not in busy

    def begins(self, ticket: Ticket) -> None:
        assert self.may_begin(ticket.conversation)
        for other in self.waiting[: self.waiting.index(ticket)]:
            assert other.person != ticket.person or not self.may_begin(other.conversation)
        for other in self.waiting:
            if other.person != ticket.person and self.may_begin(other.conversation):
                # Nobody's second turn comes before another's first: since the queue was idle, and since another asked.
                for begun in (self.begun, self.begun[self.begun_before[other] :]):
                    assert ticket.person not in begun or other.person in begun
        self.waiting.remove(ticket)
        self.running.append(ticket)
        self.begun.append(ticket.person)

    def look(self) -> None:
        for ticket in sorted((p for p in self.waiting if p.position == 0), key=lambda p: self.expected.get(p, 0)):
            self.begins(ticket)
        self.expected = {ticket: ticket.position for ticket in self.waiting}
        if not self.waiting and not self.running:
            self.begun.clear()

    @rule(conversation=st.integers(0, 3), person=st.sampled_from("abcd"))
    def join(self, conversation: int, person: str) -> None:
        theirs = sum(ticket.person == person for ticket in self.waiting)
        if not self.may_begin(conversation) and (theirs == 3 or len(self.waiting) == 6):
            with pytest.raises(QueueFullError) as caught:
                self.queue.join(conversation, person)
            assert caught.value.per_person == (theirs == 3)
        else:
            self.waiting.append(self.queue.join(conversation, person))
            self.begun_before[self.waiting[-1]] = len(self.begun)
        self.look()

    @rule(number=st.integers(0, 5))
    def leave(self, number: int) -> None:
        for ticket in (self.running + self.waiting)[number : number + 1]:
            (self.running if ticket in self.running else self.waiting).remove(ticket)
            ticket.leave()
            self.look()

    @rule(paused=st.sampled_from([True, False, False, False]))
    def pause_or_resume(self, paused: bool) -> None:
        self.paused = paused
        (self.queue.pause if paused else self.queue.resume)()
        self.look()

    @invariant()
    def everybody_is_where_they_belong(self) -> None:
        assert not any(self.may_begin(ticket.conversation) for ticket in self.waiting)
        assert sorted(self.expected.values()) == list(range(1, 1 + len(self.waiting)))
        assert all(ticket.position == 0 for ticket in self.running)
        assert (self.queue.running, self.queue.waiting) == (len(self.running), len(self.waiting))

    def teardown(self) -> None:
        """Let everybody through: turns come in the order that the positions foretold."""
        foretold = self.running + sorted(self.expected, key=lambda ticket: self.expected[ticket])
        ended: list[Ticket] = []
        self.pause_or_resume(False)
        while self.running:
            ended.append(self.running[0])
            self.leave(0)
        assert ended == foretold
        assert self.queue.idle


TestComingsAndGoings = ComingsAndGoings.TestCase
TestComingsAndGoings.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
