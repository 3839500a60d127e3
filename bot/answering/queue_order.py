"""Which tickets run, which wait, and which of them starts next: the rule that `bot.answering.queue` describes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.answering.queue import Ticket

# Bounds the memory of a queue that is never idle. A forgotten member started longest ago, so would come first anyway.
_MOST_REMEMBERED = 10_000


class QueueOrder:
    """The running and the waiting tickets, and the rule that picks the next to start."""

    def __init__(self, most_running: int) -> None:
        self._most_running = most_running
        self._latest_starts: OrderedDict[Hashable, int] = OrderedDict()  # by person, the longest ago first
        self._starts = 0
        self.running: list[Ticket] = []  # in order of start
        self.waiting: list[Ticket] = []  # in order of arrival

    @property
    def is_full(self) -> bool:
        """Whether as many questions run as may run at once."""
        return len(self.running) >= self._most_running

    def start_next(self) -> Ticket | None:
        """Move the next ticket from waiting to running; None if no ticket may start."""
        if self.is_full:
            return None
        busy = {ticket.lane for ticket in self.running}
        startable = [ticket for ticket in self.waiting if ticket.lane not in busy]
        if not startable:
            return None
        # `min` takes the first of equals, so one member's questions and all newcomers keep their order of arrival.
        chosen = min(startable, key=lambda ticket: self._latest_starts.get(ticket.person, 0))
        self.waiting.remove(chosen)
        self.running.append(chosen)
        self._remember_start(chosen.person)
        return chosen

    def blocking(self, ticket: Ticket, waiting: list[Ticket], *, paused: bool) -> list[Ticket]:
        """The tickets that a waiting one waits for, running ones and those of these waiting ones."""
        running = self.running if self.is_full else [each for each in self.running if each.lane == ticket.lane]
        if self.is_full or paused:
            return [*running, *waiting]
        return [*running, *(each for each in waiting if each.lane == ticket.lane)]

    def forget_starts(self) -> None:
        """Treat every member as a newcomer again."""
        self._latest_starts.clear()

    def forecast(self) -> list[Ticket]:
        """The waiting tickets in order of start, if the running ones end in the order in which they started."""
        future = QueueOrder(self._most_running)
        future.running, future.waiting, future._starts = self.running.copy(), self.waiting.copy(), self._starts
        for ticket in self.waiting:
            if ticket.person in self._latest_starts:
                future._latest_starts[ticket.person] = self._latest_starts[ticket.person]
        started = []
        while future.waiting:
            next_ticket = future.start_next()
            if next_ticket is None:
                del future.running[0]
            else:
                started.append(next_ticket)
        return started

    def _remember_start(self, person: Hashable) -> None:
        self._starts += 1
        self._latest_starts[person] = self._starts
        self._latest_starts.move_to_end(person)
        if len(self._latest_starts) > _MOST_REMEMBERED:
            self._latest_starts.popitem(last=False)
