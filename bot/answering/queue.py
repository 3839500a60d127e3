"""Whose question runs next.

Everybody's questions stand in one queue, and a few of them run at once, never two of one conversation. Next comes the
person whose latest turn is longest ago, those without a turn first, and equals in the order in which they asked. So
nobody's second question begins before another's first, and while somebody could begin, everybody else begins at most
once before them. A question whose conversation is busy holds up nothing in other conversations. Turns are remembered
until the queue is idle.

All of this belongs to one event loop; nothing here may be called from another thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Hashable
from types import TracebackType

# Bounds what a queue that is never idle holds. Whoever is forgotten had the turn longest ago and was ahead anyway.
_MOST_REMEMBERED = 10_000


class QueueFullError(Exception):
    """Nobody more may wait; the text is for the person who asked.

    Attributes:
        per_person: this person has too many questions waiting; otherwise everybody together has.
    """

    def __init__(self, waiting: int, *, per_person: bool) -> None:
        questions = "1 question" if waiting == 1 else f"{waiting:,} questions"
        if per_person:
            super().__init__(f"You already have {questions} in the queue. Wait for an answer, then ask again.")
        else:
            super().__init__(f"My queue is full with {questions}. Ask again in a few minutes.")
        self.per_person = per_person


class QueueClosedError(Exception):
    """The queue takes nobody any more; the text is for the person who asked."""

    def __init__(self) -> None:
        super().__init__("I am restarting. Ask again in a minute.")


class TicketLeftError(Exception):
    """The ticket was given up before its turn came, so its turn never comes."""


class Ticket:
    """One question's ticket in the queue. As a context manager it is left at the end, whatever happened.

    Attributes:
        conversation: which conversation the question belongs to.
        person: who asked it.
        joined_at: when it was taken, by `time.monotonic`.
    """

    def __init__(self, queue: QuestionQueue, conversation: Hashable, person: Hashable) -> None:
        self.conversation = conversation
        self.person = person
        self.joined_at = time.monotonic()
        self._queue = queue
        self._waited_until: float | None = None
        self._lost: type[QueueClosedError | TicketLeftError] | None = None

    @property
    def position(self) -> int:
        """0 once its turn has come, 1 for the next to begin, and so on.

        It is exact if the running questions end in the order in which they began and nobody else comes or goes.

        Raises:
            QueueClosedError: the queue was closed before its turn came.
            TicketLeftError: the ticket was left before its turn came.
        """
        if self._lost is not None:
            raise self._lost
        return 0 if self._waited_until is not None else self._queue._position(self)

    @property
    def waited_seconds(self) -> float:
        """How long it waited for its turn; until now while it still does."""
        until = time.monotonic() if self._waited_until is None else self._waited_until
        return until - self.joined_at

    async def positions(self) -> AsyncGenerator[int, None]:
        """Yield the position at once and whenever it has changed; end when the turn has come, so never yield 0.

        A slow reader gets only the newest position.

        Raises:
            QueueClosedError: the queue was closed before its turn came.
            TicketLeftError: the ticket was left before its turn came.
        """
        told = 0
        while position := self.position:
            if position == told:
                await self._queue._change()
            else:
                told = position
                yield position

    async def wait(self) -> None:
        """Wait until the turn has come; the errors are those of `positions`."""
        async for _ in self.positions():
            pass

    def leave(self) -> None:
        """Give the ticket up, waiting or running, and let the next begin. Leaving again does nothing."""
        self._queue._remove(self)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    def _end_wait(self, lost: type[QueueClosedError | TicketLeftError] | None = None) -> None:
        self._waited_until = time.monotonic()
        self._lost = lost


class _Order:
    """Who runs, who waits, and the rule by which one after the other begins."""

    def __init__(self, most_running: int) -> None:
        self._most_running = most_running
        self._latest_turns: OrderedDict[Hashable, int] = OrderedDict()  # by person, the longest ago first
        self._turns = 0
        self.running: list[Ticket] = []  # in the order in which they began
        self.waiting: list[Ticket] = []  # in the order in which they came

    def begin_next(self) -> Ticket | None:
        """Let the next ticket begin; None if none may."""
        if len(self.running) >= self._most_running:
            return None
        busy = {ticket.conversation for ticket in self.running}
        startable = [ticket for ticket in self.waiting if ticket.conversation not in busy]
        if not startable:
            return None
        # The first of equals wins, so a person's own questions and the newcomers keep the order in which they came.
        chosen = min(startable, key=lambda ticket: self._latest_turns.get(ticket.person, 0))
        self.waiting.remove(chosen)
        self.running.append(chosen)
        self._remember_turn(chosen.person)
        return chosen

    def forget_turns(self) -> None:
        """Take everybody for a newcomer again."""
        self._latest_turns.clear()

    def forecast(self) -> list[Ticket]:
        """Those who wait, in the order in which they begin if the running ones end in the order in which they began."""
        future = _Order(self._most_running)
        future.running, future.waiting, future._turns = self.running.copy(), self.waiting.copy(), self._turns
        for ticket in self.waiting:
            if ticket.person in self._latest_turns:
                future._latest_turns[ticket.person] = self._latest_turns[ticket.person]
        begun = []
        while future.waiting:
            begins = future.begin_next()
            if begins is None:
                del future.running[0]
            else:
                begun.append(begins)
        return begun

    def _remember_turn(self, person: Hashable) -> None:
        self._turns += 1
        self._latest_turns[person] = self._turns
        self._latest_turns.move_to_end(person)
        if len(self._latest_turns) > _MOST_REMEMBERED:
            self._latest_turns.popitem(last=False)


class QuestionQueue:
    """Lets questions run, a few at once and the others after them, fairly between people.

    Args:
        most_running: the most questions that run at once, at least 1.
        most_waiting: the most questions that wait, at least 1.
        most_waiting_per_person: the most questions of one person that wait, at least 1.
    """

    def __init__(self, *, most_running: int, most_waiting: int, most_waiting_per_person: int) -> None:
        self._most_waiting = most_waiting
        self._most_waiting_per_person = most_waiting_per_person
        self._order = _Order(most_running)
        self._paused = False
        self._closed = False
        self._changed = asyncio.Event()
        self._positions: dict[Ticket, int] | None = None  # worked out when somebody asks, once after each change

    @property
    def running(self) -> int:
        """How many questions run."""
        return len(self._order.running)

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._order.waiting)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self.running and not self.waiting

    def join(self, conversation: Hashable, person: Hashable, *, ignore_limits: bool = False) -> Ticket:
        """Take a ticket for a question; its turn may have come at once.

        Args:
            conversation: of one conversation, one question runs at a time.
            person: who asks.
            ignore_limits: no limit applies.

        Raises:
            QueueFullError: it would have to wait, and too many do.
            QueueClosedError: the queue is closed.
        """
        if self._closed:
            raise QueueClosedError
        ticket = Ticket(self, conversation, person)
        self._order.waiting.append(ticket)
        self._begin()
        if not ignore_limits and ticket in self._order.waiting and (error := self._passed_limit(person)):
            self._order.waiting.remove(ticket)
            raise error
        self._tell()
        return ticket

    def pause(self) -> None:
        """Let nobody's turn begin until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Let turns begin again."""
        self._paused = False
        self._begin()
        self._tell()

    def close(self) -> None:
        """Let nobody join any more and send away those who wait. Those who run go on."""
        self._closed = True
        for ticket in self._order.waiting:
            ticket._end_wait(QueueClosedError)
        self._order.waiting.clear()
        self._tell()

    async def wait_until_nobody_runs(self) -> None:
        """Return as soon as nothing runs. Without `pause` or `close` before it, that may never be."""
        while self.running:
            await self._change()

    def _begin(self) -> None:
        while not self._paused and (ticket := self._order.begin_next()):
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
            self._order.forget_turns()
        self._begin()
        self._tell()

    def _passed_limit(self, person: Hashable) -> QueueFullError | None:
        if sum(ticket.person == person for ticket in self._order.waiting) > self._most_waiting_per_person:
            return QueueFullError(self._most_waiting_per_person, per_person=True)
        if self.waiting > self._most_waiting:
            return QueueFullError(self._most_waiting, per_person=False)
        return None

    def _position(self, ticket: Ticket) -> int:
        if self._positions is None:
            self._positions = {waiting: number for number, waiting in enumerate(self._order.forecast(), start=1)}
        return self._positions[ticket]

    async def _change(self) -> None:
        await self._changed.wait()

    def _tell(self) -> None:
        self._positions = None
        self._changed.set()
        self._changed = asyncio.Event()
