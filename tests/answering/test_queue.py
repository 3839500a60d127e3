"""Whose question runs next: the rules one by one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Hashable

import pytest

from bot.answering.queue import QuestionQueue, QueueClosedError, QueueFullError, Ticket, TicketLeftError, WaitsFor
from tests.answering.answers import queue_of

DEADLINE_SECONDS = 10


def ask(queue: QuestionQueue, people: str, conversation: Hashable = None) -> list[Ticket]:
    """Join for each member, each time in a new conversation unless one is given."""
    return [queue.join(object() if conversation is None else conversation, person) for person in people]


@pytest.mark.parametrize("conversation", [None, "x"])
@pytest.mark.parametrize(
    ("steps", "started"),
    [
        ("aaaaaaaaaabcd", "abcdaaaaaaaaa"),
        ("aaabbc", "abcaba"),
        ("aaabbb--cc", "abacbacb"),  # a latecomer goes before the second questions of the others
        ("az-ab", "azba"),  # a finished question counts
        ("a-zab", "azab"),  # but not after the queue was idle
        ("zaaa~bba", "zbab"),  # a question given up does not
    ],
)
def test_no_second_question_starts_before_anothers_first(steps: str, started: str, conversation: Hashable) -> None:
    """A letter asks, - ends the running question, ~ gives up all waiting ones."""
    queue = queue_of(1)
    tickets: list[Ticket] = []
    turns = ""
    for step in steps + "-" * len(started):
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
    assert turns == started


@pytest.mark.parametrize(
    ("most_running", "joined", "expected"),
    [
        (4, "xa xa", WaitsFor.OWN),
        (4, "xa xa xa", WaitsFor.OWN_QUESTIONS),
        (4, "xb xa xa", WaitsFor.OWN),  # another member's question holds nothing up
        (4, "xb xb xa xa", WaitsFor.OWN),
        (4, "yb xa xa", WaitsFor.OWN),
        (2, "yb xa xa", WaitsFor.OTHERS),  # unless the batch is full
        (2, "xb xa xa", WaitsFor.OTHERS),
        (2, "xa ya xa", WaitsFor.OWN_QUESTIONS),
        (1, "ya xa", WaitsFor.OWN),
        (1, "yb xa", WaitsFor.OTHERS),
    ],
)
def test_who_waits_knows_whether_for_others(most_running: int, joined: str, expected: WaitsFor) -> None:
    queue = queue_of(most_running)
    tickets = [queue.join(pair[0], pair[1]) for pair in joined.split()]
    assert tickets[-1].position > 0
    assert tickets[-1].waits_for is expected


def test_who_waits_for_a_pause_alone_knows_that() -> None:
    queue = queue_of(1)
    queue.pause()
    assert queue.join("x", "a").waits_for is WaitsFor.RESUMPTION
    assert queue.join("y", "b").waits_for is WaitsFor.OTHERS


def test_members_of_one_conversation_run_side_by_side_each_in_order() -> None:
    queue = queue_of(4)
    tickets = [queue.join("x", person) for person in "aabbc"]
    assert [ticket.position for ticket in tickets] == [0, 1, 0, 2, 0]
    assert (queue.running, queue.waiting) == (3, 2)
    tickets[2].leave()
    assert [ticket.position for ticket in tickets[:2]] == [0, 1]
    assert tickets[3].position == 0


def test_an_own_question_holds_up_only_those_in_the_same_conversation() -> None:
    queue = queue_of(4)
    tickets = [queue.join(conversation, "a") for conversation in "xxy"]
    assert [ticket.position for ticket in tickets] == [0, 1, 0]
    tickets[2].leave()
    assert tickets[1].position == 1
    tickets[0].leave()
    assert tickets[1].position == 0


def test_a_member_who_was_blocked_catches_up_by_one_question_only() -> None:
    queue = queue_of(2)
    (holding,) = ask(queue, "a", "x")
    held_up = ask(queue, "aaa", "x")
    for ticket in ask(queue, "bbbb"):
        ticket.leave()
    (other,) = ask(queue, "z")
    held_up += ask(queue, "c")
    other.leave()
    assert [ticket.position for ticket in held_up] == [1, 2, 3, 0]
    held_up += ask(queue, "b")
    holding.leave()
    assert [ticket.position for ticket in held_up] == [0, 2, 3, 0, 1]


def test_a_queue_that_is_never_idle_forgets_the_oldest_starts() -> None:
    queue = queue_of(2)
    ask(queue, "z")
    for person in (*range(10_000), 0, "last"):
        queue.join("x", person).leave()
    queue.pause()
    forgotten, remembered, newcomer = (queue.join(person, person) for person in (1, 0, "new"))
    assert [ticket.position for ticket in (forgotten, newcomer, remembered)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("most_waiting", "per_person", "line"),
    [
        (64, 1, "You already have 1 question in the queue. Wait for an answer, then ask again."),
        (5, 5, "You already have 5 questions in the queue. Wait for an answer, then ask again."),
        (1, 5, "My queue is full with 1 question. Ask again in a few minutes."),
        (64, 99, "My queue is full with 64 questions. Ask again in a few minutes."),
    ],
)
def test_a_full_queue_refuses_only_questions_that_would_wait(most_waiting: int, per_person: int, line: str) -> None:
    queue = queue_of(2, most_waiting, per_person)
    limit = min(most_waiting, per_person)
    ask(queue, "a" * (1 + limit), "x")
    with pytest.raises(QueueFullError) as caught:
        queue.join("x", "a")
    assert str(caught.value) == line
    assert caught.value.per_person == line.startswith("You")
    assert queue.waiting == limit
    assert queue.join("y", "a").position == 0


def test_a_question_accepted_before_a_restart_ignores_the_limits() -> None:
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


async def test_positions_are_yielded_at_once_and_after_each_change() -> None:
    *earlier, last = ask(queue_of(1), "abcdef")
    positions = last.positions()
    assert await anext(positions) == 5
    for ticket in earlier[:2]:  # a slow reader
        ticket.leave()
    assert await anext(positions) == 3
    for ticket, expected in zip(earlier[2:], (2, 1, None), strict=True):
        change = asyncio.ensure_future(anext(positions, None))
        await asyncio.sleep(0)
        assert not change.done()
        ticket.leave()
        assert await asyncio.wait_for(change, DEADLINE_SECONDS) == expected
    assert [position async for position in last.positions()] == []


def test_a_ticket_knows_how_long_it_waited() -> None:
    first, second = ask(queue_of(1), "ab")
    for still_waits in (True, False):
        waited, start = second.waited_seconds, time.monotonic()
        while time.monotonic() == start or second.waited_seconds <= first.waited_seconds:
            pass  # the machine may have paused between the first one's arrival and its start
        assert (second.waited_seconds > waited) == still_waits
        first.leave()
    assert first.waited_seconds < second.waited_seconds


@pytest.mark.parametrize(("closed", "error"), [(False, TicketLeftError), (True, QueueClosedError)])
async def test_an_invalid_ticket_never_starts(closed: bool, error: type[Exception]) -> None:
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


def test_a_closed_queue_takes_no_tickets() -> None:
    queue = queue_of(1)
    queue.close()
    with pytest.raises(QueueClosedError, match="restarting"):
        ask(queue, "a")


@pytest.mark.parametrize("may_run", [False, True])
async def test_a_cancelled_task_leaves_the_queue_even_as_it_starts(may_run: bool) -> None:
    running, cancelled, *others = ask(queue_of(1), "abcd")

    async def run() -> None:
        with cancelled:
            await cancelled.wait()

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    if may_run:
        running.leave()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(2):  # leaving again does nothing
        running.leave()
    assert [ticket.position for ticket in others] == [0, 1]


async def test_many_tasks_with_cancellations_all_finish() -> None:
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


async def test_a_paused_queue_starts_nothing() -> None:
    queue = queue_of(2)
    running, waiting = ask(queue, "aa", "x")
    queue.pause()
    none_run = asyncio.create_task(queue.wait_until_nobody_runs())
    newcomer = queue.join("y", "c")
    await asyncio.sleep(0)
    assert not none_run.done()
    running.leave()
    await asyncio.wait_for(none_run, DEADLINE_SECONDS)
    assert (queue.running, queue.waiting, queue.idle) == (0, 2, False)
    turns = asyncio.gather(waiting.wait(), newcomer.wait())
    await asyncio.sleep(0)
    queue.resume()
    await asyncio.wait_for(turns, DEADLINE_SECONDS)


async def test_a_position_comes_again_while_it_stays() -> None:
    queue = queue_of(1)
    first, second = queue.join("a", "a"), queue.join("b", "b")
    positions = second.positions(repeat_seconds=0.001)
    assert [await anext(positions) for _ in range(3)] == [1, 1, 1]
    first.leave()
    assert [each async for each in positions] == []
