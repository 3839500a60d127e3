"""What happens in a round: who asks what when, and which faults strike. A seed decides all of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_MORE_FAULTS = (0, 0, 1, 1, 2)
"""How many faults a round draws besides its first."""

_LOST_SHARE = 0.3


class Fault(StrEnum):
    """What strikes the bot."""

    CHANNEL_LIMIT = "429 of a channel"
    GLOBAL_LIMIT = "global 429"
    SHARED_LIMIT = "shared 429"
    CLOUDFLARE = "Cloudflare's 429"
    SERVER_ERROR = "5xx"
    RESET = "reset before the work"
    RESET_AFTER = "reset after the work"
    HANG = "no response"
    SLOW = "slow responses"
    OUTAGE = "outage of REST"
    DROP = "gateway drop"
    INVALID_SESSION = "invalid session"
    DOUBLED = "doubled events"
    LOST = "lost events"
    FULL_DISK = "full disk"
    KILL = "kill -9"
    TERMINATE = "SIGTERM"


class Load(StrEnum):
    """Who asks."""

    FEW = "a few people"
    ONE_CHANNEL = "16 people in one channel"
    CROWD = "a crowd"


_LOADS = (Load.FEW, Load.FEW, Load.ONE_CHANNEL, Load.CROWD)
_FEW_PEOPLE = 6
DIRECT_CHANNEL, THREAD = 1, 2
"""Numbers of two special channels: the first person's direct messages, and a thread."""

_FEW_CHANNELS = (0, DIRECT_CHANNEL, THREAD, 3)
_ONE_CHANNEL_PEOPLE = 16
_RESTARTS = frozenset({Fault.KILL, Fault.TERMINATE})


@dataclass(frozen=True, slots=True)
class Scale:
    """How large rounds are.

    Attributes:
        channels: of the guild, all of which the bot knows.
        crowd_people: fewest and most of a crowd.
        crowd_channels: fewest and most in which it asks.
        outage_seconds: shortest and longest; short ones are more likely.
        storm_seconds: shortest and longest time in which people ask and faults begin.
        most_refused: the most requests that one fault refuses.
        retry_after_seconds: what a 429 asks for.
        patience_seconds: how long nothing may change on Discord, after the last fault ended, while somebody waits.
    """

    channels: int
    crowd_people: tuple[int, int]
    crowd_channels: tuple[int, int]
    outage_seconds: tuple[float, float]
    storm_seconds: tuple[float, float]
    most_refused: int
    retry_after_seconds: tuple[float, float]
    patience_seconds: float


FULL = Scale(50, (100, 200), (20, 50), (5, 120), (4, 12), 20, (0.5, 5), 150)
SHORT = Scale(8, (20, 30), (6, 8), (3, 6), (2, 4), 6, (0.3, 1.5), 60)


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to be asked.

    Attributes:
        at_seconds: since the round began.
        person: the asker's number.
        channel: the channel's number.
        is_lost: whether the gateway loses its event, if the bot is connected.
    """

    at_seconds: float
    person: int
    channel: int
    is_lost: bool


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault to come.

    Attributes:
        at_seconds: since the round began.
        seconds: how long an outage, a slow response, a full disk or a downtime lasts, or a 429 asks to wait.
        times: how many requests or events it concerns.
        variant: chooses among the kinds of a fault, such as 500 or 503.
    """

    fault: Fault
    at_seconds: float
    seconds: float
    times: int
    variant: int


@dataclass(frozen=True, slots=True)
class RoundPlan:
    """A round.

    Attributes:
        asks: in the order of their times.
        strikes: in the order of their times.
        seconds: after which all faults have ended that do not end by themselves.
    """

    seed: int
    load: Load
    asks: tuple[Ask, ...]
    strikes: tuple[Strike, ...]
    seconds: float

    @property
    def name(self) -> str:
        """What happens, for the terminal."""
        return f"{self.load}; {', '.join(strike.fault for strike in self.strikes)}"


def memory_setting(seed: int) -> str:
    """Return the setting `MEMORY` of the bot that is struck in this round."""
    return ("channel", "user")[seed % 2]


def plan_round(seed: int, scale: Scale, faults: tuple[Fault, ...] = tuple(Fault)) -> RoundPlan:
    """Draw a round. Its first fault comes in turn, so that a run of many seeds has each equally often.

    Args:
        faults: those that are possible on this machine.
    """
    draw = random.Random(seed)  # noqa: S311 - load, no secret
    load = draw.choice(_LOADS)
    seconds = draw.uniform(*scale.storm_seconds)
    first = faults[seed % len(faults)]
    drawn = [first, *draw.sample(faults, draw.choice(_MORE_FAULTS))]
    if first is Fault.FULL_DISK or not _RESTARTS.isdisjoint(drawn):
        # What a full disk has refused is in the process's memory alone, and a restart may lose that.
        drawn = [each for each in drawn if each not in (_RESTARTS if first is Fault.FULL_DISK else {Fault.FULL_DISK})]
    strikes = [_strike(fault, seconds, scale, draw) for fault in dict.fromkeys(drawn)]
    asks = _asks(load, seconds, scale, draw, lost_share=_LOST_SHARE if Fault.LOST in drawn else 0.0)
    return RoundPlan(
        seed,
        load,
        tuple(sorted(asks, key=lambda each: each.at_seconds)),
        tuple(sorted(strikes, key=lambda each: each.at_seconds)),
        seconds,
    )


def _strike(fault: Fault, storm_seconds: float, scale: Scale, draw: random.Random) -> Strike:
    at = draw.uniform(0, storm_seconds / 2)  # a fault after the last request would strike nothing
    times, variant = draw.randint(1, scale.most_refused), draw.randrange(6)
    shortest, longest = scale.outage_seconds
    if fault is Fault.OUTAGE:
        seconds = math.exp(draw.uniform(math.log(shortest), math.log(longest)))
    elif fault in (Fault.FULL_DISK, Fault.SLOW, *_RESTARTS):
        seconds = draw.uniform(0.5, shortest)
    else:
        seconds = draw.uniform(*scale.retry_after_seconds)
    return Strike(fault, at, seconds, times, variant)


def _asks(load: Load, seconds: float, scale: Scale, draw: random.Random, *, lost_share: float) -> list[Ask]:
    def ask(person: int, channels: Sequence[int], latest: float) -> Ask:
        return Ask(draw.uniform(0, latest), person, draw.choice(channels), draw.random() < lost_share)

    if load is Load.FEW:
        return [ask(draw.randrange(_FEW_PEOPLE), _FEW_CHANNELS, seconds) for _ in range(draw.randint(4, 12))]
    if load is Load.ONE_CHANNEL:
        return [ask(person, (0,), min(seconds, 2.0)) for person in range(_ONE_CHANNEL_PEOPLE)]
    # Only one person writes in the direct messages.
    channels = [each for each in range(draw.randint(*scale.crowd_channels)) if each != DIRECT_CHANNEL]
    return [ask(person, channels, seconds) for person in range(draw.randint(*scale.crowd_people))]
