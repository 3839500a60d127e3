"""Decides whose question runs next, fairly between members.

All questions share one queue, and a few of them run at once: those of different members in one conversation, too, but
never two of one member in one conversation, which run in the order in which they were asked. The member who started
longest ago comes next, members who have not started yet come first, and ties go to whoever asked first. So a member's
second question never starts before another member's first, and while a member could start, every other member starts
at most once before them. A question that waits for an own one of its member holds up nobody else. The queue forgets
who started when it becomes idle.

Call everything from one event loop's thread.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Hashable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType

from bot.answering.queue_order import QueueOrder


class QueueFullError(Exception):
    """Too many questions wait; the text is for the member who asked.

    Attributes:
        per_person: the member's own limit is reached, not the limit for all.
    """

    def __init__(self, waiting: int, *, per_person: bool) -> None:
        questions = "1 question" if waiting == 1 else f"{waiting:,} questions"
        if per_person:
            super().__init__(f"You already have {questions} in the queue. Wait for an answer, then ask again.")
        else:
            super().__init__(f"My queue is full with {questions}. Ask again in a few minutes.")
        self.per_person = per_person


class QueueClosedError(Exception):
    """The queue takes no more questions; the text is for the member who asked."""

    def __init__(self) -> None:
        super().__init__("I am restarting. Ask again in a minute.")


class TicketLeftError(Exception):
    """The ticket was given up before its question started."""


class WaitsFor(Enum):
    """What a waiting question waits for."""

    OTHERS = auto()
    """Other members' questions, perhaps with the same member's own."""
    OWN = auto()
    """Nothing but another question of the same member."""
    OWN_QUESTIONS = auto()
    """The same, but several."""
    RESUMPTION = auto()
    """The end of a pause of the whole queue."""


class Ticket:
    """One question's entry in the queue. As a context manager it leaves the queue at the end.

    Attributes:
        conversation: the conversation that the question belongs to.
        person: the member who asked.
        joined_at: when the ticket was taken, by `time.monotonic`.
    """

    def __init__(self, queue: QuestionQueue, conversation: Hashable, person: Hashable) -> None:
        self.conversation = conversation
        self.person = person
        self.joined_at = time.monotonic()
        self._queue = queue
        self._waited_until: float | None = None
        self._invalid: type[QueueClosedError | TicketLeftError] | None = None

    @property
    def lane(self) -> tuple[Hashable, Hashable]:
        """Of two tickets with the same lane, the later one waits for the earlier one."""
        return self.conversation, self.person

    @property
    def position(self) -> int:
        """0 once the question may run, 1 for the next to start, and so on.

        Exact if the running questions end in the order in which they started and no other question comes or goes.

        Raises:
            QueueClosedError: the queue closed before the question started.
            TicketLeftError: the ticket left before the question started.
        """
        if self._invalid is not None:
            raise self._invalid
        return 0 if self._waited_until is not None else self._queue.forecast[self]

    @property
    def waits_for(self) -> WaitsFor:
        """What must happen before a waiting question starts."""
        return self._queue._waits_for(self)

    @property
    def waited_seconds(self) -> float:
        """How long the question waited to start, or has waited so far."""
        until = time.monotonic() if self._waited_until is None else self._waited_until
        return until - self.joined_at

    async def positions(self, repeat_seconds: float = math.inf) -> AsyncGenerator[int, None]:
        """Yield the position at once and after each change; end when the question may run, so never yield 0.

        A slow reader skips to the newest position.

        Args:
            repeat_seconds: yield a position again when it has not changed for so long.

        Raises:
            QueueClosedError: the queue closed before the question started.
            TicketLeftError: the ticket left before the question started.
        """
        latest, repeat_at = 0, 0.0
        while position := self.position:
            if position != latest or time.monotonic() >= repeat_at:
                latest, repeat_at = position, time.monotonic() + repeat_seconds
                yield position
            else:
                await self._queue._change(repeat_at)

    async def wait(self) -> None:
        """Wait until the question may run; raises what `positions` raises."""
        async for _ in self.positions():
            pass

    def leave(self) -> None:
        """Leave the queue, waiting or running, and let the next question start. Leaving twice does nothing."""
        self._queue._remove(self)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    def _end_wait(self, invalid: type[QueueClosedError | TicketLeftError] | None = None) -> None:
        self._waited_until = time.monotonic()
        self._invalid = invalid


class QuestionQueue:
    """Runs a few questions at once and keeps the others waiting, fairly between members.

    Args:
        most_running: how many questions may run at once, at least 1.
        most_waiting: how many questions may wait, at least 1.
        most_waiting_per_person: how many questions of one member may wait, at least 1.
    """

    def __init__(self, *, most_running: int, most_waiting: int, most_waiting_per_person: int) -> None:
        self.most_running = most_running
        self._most_waiting = most_waiting
        self._most_waiting_per_person = most_waiting_per_person
        self._order = QueueOrder(most_running)
        self._paused = False
        self._closed = False
        self._changed = asyncio.Event()
        self._positions: dict[Ticket, int] | None = None  # computed on demand, once after each change

    @property
    def running(self) -> int:
        """The number of running questions."""
        return len(self._order.running)

    @property
    def waiting(self) -> int:
        """The number of waiting questions."""
        return len(self._order.waiting)

    @property
    def running_tickets(self) -> Sequence[Ticket]:
        """The tickets of the running questions, in order of start."""
        return tuple(self._order.running)

    @property
    def forecast(self) -> Mapping[Ticket, int]:
        """The tickets of the waiting questions in order of start, each with its `Ticket.position`."""
        if self._positions is None:
            self._positions = {waiting: number for number, waiting in enumerate(self._order.forecast(), start=1)}
        return self._positions

    @property
    def idle(self) -> bool:
        """Whether no question runs or waits."""
        return not self.running and not self.waiting

    def join(self, conversation: Hashable, person: Hashable, *, ignore_limits: bool = False) -> Ticket:
        """Take a ticket for a question; it may run at once.

        Args:
            conversation: runs one question of each member at a time.
            person: the member who asks.
            ignore_limits: take the ticket even if too many questions wait.

        Raises:
            QueueFullError: the question would have to wait, and too many do.
            QueueClosedError: the queue is closed.
        """
        if self._closed:
            raise QueueClosedError
        ticket = Ticket(self, conversation, person)
        self._order.waiting.append(ticket)
        self._start_waiting()
        if not ignore_limits and ticket in self._order.waiting and (error := self._exceeded_limit(person)):
            self._order.waiting.remove(ticket)
            raise error
        self._notify()
        return ticket

    def pause(self) -> None:
        """Start no question until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Start questions again."""
        self._paused = False
        self._start_waiting()
        self._notify()

    def close(self) -> None:
        """Take no more tickets and invalidate the waiting ones. Running questions continue."""
        self._closed = True
        for ticket in self._order.waiting:
            ticket._end_wait(QueueClosedError)
        self._order.waiting.clear()
        self._notify()

    async def wait_until_idle(self) -> None:
        """Return as soon as no question runs or waits."""
        while not self.idle:
            await self._change()

    async def wait_until_busy(self) -> None:
        """Return as soon as a question runs or waits."""
        while self.idle:
            await self._change()

    async def wait_until_nobody_runs(self) -> None:
        """Return as soon as no question runs. Call `pause` or `close` first, or that may never happen."""
        while self.running:
            await self._change()

    def _start_waiting(self) -> None:
        while not self._paused and (ticket := self._order.start_next()):
            ticket._end_wait()

    def _remove(self, ticket: Ticket) -> None:
        if ticket in self._order.running:
            self._order.running.remove(ticket)
        elif ticket in self._order.waiting:
            self._order.waiting.remove(ticket)
            ticket._end_wait(TicketLeftError)
        else:
            return
        if self.idle:
            self._order.forget_starts()
        self._start_waiting()
        self._notify()

    def _exceeded_limit(self, person: Hashable) -> QueueFullError | None:
        if sum(ticket.person == person for ticket in self._order.waiting) > self._most_waiting_per_person:
            return QueueFullError(self._most_waiting_per_person, per_person=True)
        if self.waiting > self._most_waiting:
            return QueueFullError(self._most_waiting, per_person=False)
        return None

    def _waits_for(self, ticket: Ticket) -> WaitsFor:
        waiting = [each for each in self.forecast if self.forecast[each] < self.forecast.get(ticket, 0)]
        earlier = self._order.blocking(ticket, waiting, paused=self._paused)
        if not earlier:
            return WaitsFor.RESUMPTION
        if any(other.person != ticket.person for other in earlier):
            return WaitsFor.OTHERS
        return WaitsFor.OWN if len(earlier) == 1 else WaitsFor.OWN_QUESTIONS

    async def _change(self, until: float = math.inf) -> None:
        """Return after the next change, or at this time (`time.monotonic`)."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if until == math.inf else until - time.monotonic()):
                await self._changed.wait()

    def _notify(self) -> None:
        self._positions = None
        self._changed.set()
        self._changed = asyncio.Event()
