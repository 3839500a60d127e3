"""What is done to the engine process, and when."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import dataclass
from enum import StrEnum

_ONE_IN_HITS_TWICE = 5
_LONGEST_DELAY_SECONDS = 2.0
_LONGEST_SECOND_DELAY_SECONDS = 1.5


class Fault(StrEnum):
    """A signal that ends or stops a process without asking it."""

    KILL = "SIGKILL"
    SEGMENTATION_FAULT = "SIGSEGV"
    ABORT = "SIGABRT"
    STOP = "SIGSTOP"

    def strike(self, process_id: int) -> None:
        """Send the signal."""
        os.kill(process_id, signal.Signals[self])

    @property
    def cause(self) -> str:
        """What an `EngineObserver` has to be told of it."""
        return "hung" if self is Fault.STOP else "crashed"


@dataclass(frozen=True, slots=True)
class Round:
    """One loss of the engine, or two in a row.

    Attributes:
        delay_seconds: how long the engine answers before the fault.
        fault: what is done to it.
        second: what is done to the process that takes its place; None for nothing.
        second_delay_seconds: how long after that one's start, mostly while it still loads.
    """

    delay_seconds: float
    fault: Fault
    second: Fault | None
    second_delay_seconds: float

    @property
    def name(self) -> str:
        """What recovery times are told apart by."""
        return "two in a row" if self.second else str(self.fault)


def plan_rounds(count: int, draw: random.Random) -> list[Round]:
    """Draw rounds at random, but so that each fault comes equally often, and two in a row in one of five."""
    faults = list(Fault)
    rounds = [
        Round(
            delay_seconds=draw.uniform(0, _LONGEST_DELAY_SECONDS),
            fault=faults[number % len(faults)],
            second=draw.choice(faults) if number % _ONE_IN_HITS_TWICE == _ONE_IN_HITS_TWICE - 1 else None,
            second_delay_seconds=draw.uniform(0, _LONGEST_SECOND_DELAY_SECONDS),
        )
        for number in range(count)
    ]
    draw.shuffle(rounds)
    return rounds
