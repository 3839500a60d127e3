"""The faults that strike the engine process, and when."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from enum import StrEnum

_ONE_IN_STRIKES_TWICE = 5
_LONGEST_DELAY_SECONDS = 2.0
_LONGEST_SECOND_DELAY_SECONDS = 1.5


class Fault(StrEnum):
    """A signal that ends or stops a process without its consent."""

    KILL = "SIGKILL"
    SEGMENTATION_FAULT = "SIGSEGV"
    ABORT = "SIGABRT"
    STOP = "SIGSTOP"

    def strike(self, process_id: int) -> None:
        """Send the signal."""
        os.kill(process_id, signal.Signals[self])

    @property
    def cause(self) -> str:
        """The cause that an `EngineObserver` has to receive."""
        return "hung" if self is Fault.STOP else "crashed"


@dataclass(frozen=True, slots=True)
class Round:
    """One fault, or two in a row.

    Attributes:
        delay_seconds: how long the engine answers before the fault.
        second: the fault that strikes the next engine process; None for no second one.
        second_delay_seconds: from that process's start to its fault; it is mostly still loading.
    """

    delay_seconds: float
    fault: Fault
    second: Fault | None
    second_delay_seconds: float

    @property
    def name(self) -> str:
        """The name under which recovery times are reported."""
        return "two in a row" if self.second else str(self.fault)


def plan_rounds(count: int, draw: random.Random) -> list[Round]:
    """Draw rounds at random; every fault comes equally often, and two in a row come in one round of five."""
    faults = list(Fault)
    rounds = [
        Round(
            delay_seconds=draw.uniform(0, _LONGEST_DELAY_SECONDS),
            fault=faults[number % len(faults)],
            second=draw.choice(faults) if number % _ONE_IN_STRIKES_TWICE == _ONE_IN_STRIKES_TWICE - 1 else None,
            second_delay_seconds=draw.uniform(0, _LONGEST_SECOND_DELAY_SECONDS),
        )
        for number in range(count)
    ]
    draw.shuffle(rounds)
    return rounds
