"""Whom a round kills, when, and what it damages before the next start."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from disk_cache_faults.damage import Damage

_LONGEST_DELAY_SECONDS = 0.003
_DAMAGES_EACH = 3


class Victim(StrEnum):
    """Who gets the SIGKILL."""

    ENGINE = "engine"
    BOT = "bot"
    ALL = "bot and engine at once"


@dataclass(frozen=True, slots=True)
class Round:
    """One kill.

    Attributes:
        delay_seconds: from the first file that the engine writes to the kill.
        damages: what happens to the files before the next start; a supervisor restarts a killed engine too soon for it.
    """

    victim: Victim
    delay_seconds: float
    damages: tuple[Damage, ...] = ()


def plan_rounds(count: int, draw: random.Random) -> list[Round]:
    """Draw rounds at random; every victim comes equally often, and every damage."""
    victims, damages = list(Victim), list(Damage)
    rounds, begin = [], 0
    for number in range(count):
        victim = victims[number % len(victims)]
        chosen: tuple[Damage, ...] = ()
        if victim is not Victim.ENGINE:
            chosen = tuple(damages[(begin + each) % len(damages)] for each in range(_DAMAGES_EACH))
            begin += _DAMAGES_EACH
        rounds.append(Round(victim, draw.uniform(0, _LONGEST_DELAY_SECONDS), chosen))
    draw.shuffle(rounds)
    return rounds
