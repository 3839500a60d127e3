"""Faults of the gateway's events."""

from __future__ import annotations

from bot.demo.loopback.faults.plan import Plan

ON_TIME = (0.0,)
LOST: tuple[float, ...] = ()
TWICE = (0.0, 0.0)


class EventFaults:
    """The faults that are still to happen to events.

    Attributes:
        is_outage: whether the gateway refuses connections.
    """

    def __init__(self) -> None:
        self.is_outage = False
        self._plan: Plan[tuple[float, ...]] = Plan()

    def add(self, event_glob: str, times: int | None, deliveries: tuple[float, ...]) -> None:
        """Plan when each of the next `times` matching events is delivered, or all of them if None.

        Args:
            deliveries: one delay in seconds for each delivery.
        """
        self._plan.add(event_glob, times, deliveries)

    def deliveries(self, event: str) -> tuple[float, ...]:
        """Return when an event is delivered, and count it."""
        planned = self._plan.take(event)
        return ON_TIME if planned is None else planned

    def clear(self) -> None:
        """Forget every fault but the outage."""
        self._plan.clear()
