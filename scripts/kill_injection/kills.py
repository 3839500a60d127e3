"""When the bot is killed."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from bot.demo.loopback import LoopbackDiscord
from kill_injection.replies import Listener

_LONGEST_WAIT_SECONDS = 30.0


class Phase(StrEnum):
    """What the bot is doing then. Where it does not come to that in time, it is killed all the same."""

    STARTING = "starting"
    RECOVERING = "recovering"  # it reads what it was asked before
    ANSWERING = "answering"
    SENDING = "sending"  # a new message of an answer was just sent
    FINISHING = "finishing"  # the last edit of an answer was just made


_LONGEST_DELAY_SECONDS = {
    Phase.STARTING: 8.0,
    Phase.RECOVERING: 1.0,
    Phase.ANSWERING: 6.0,
    Phase.SENDING: 0.05,
    Phase.FINISHING: 0.05,
}


@dataclass(frozen=True, slots=True)
class Round:
    """One life of the bot.

    Attributes:
        phase: when it is killed.
        delay_seconds: how long after the beginning of that.
        away_seconds: how long it stays away then.
    """

    phase: Phase
    delay_seconds: float
    away_seconds: float

    async def wait(self, discord: LoopbackDiscord, listener: Listener) -> None:
        """Wait for the moment; the bot has just been started."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._begin(discord, listener)
        await asyncio.sleep(self.delay_seconds)

    async def _begin(self, discord: LoopbackDiscord, listener: Listener) -> None:
        if self.phase is Phase.STARTING:
            return
        if self.phase is Phase.RECOVERING:
            calls = len(discord.calls)
            await discord.wait_for(
                lambda: any(call.method == "GET" and "/messages" in call.path for call in discord.calls[calls:]),
                _LONGEST_WAIT_SECONDS,
            )
            return
        await listener.hear(_SIGNS[self.phase])


_SIGNS = {
    Phase.ANSWERING: lambda _shown, _is_new: True,
    Phase.SENDING: lambda _shown, is_new: is_new,
    Phase.FINISHING: lambda shown, is_new: not is_new and not shown.has_button,
}


def plan_rounds(count: int, draw: random.Random) -> list[Round]:
    """Draw rounds at random, but so that each phase comes equally often."""
    phases = list(Phase)
    rounds = []
    for number in range(count):
        phase = phases[number % len(phases)]
        delay = draw.uniform(0, _LONGEST_DELAY_SECONDS[phase])
        rounds.append(Round(phase, delay, away_seconds=draw.choice([0.0, draw.uniform(0, 3)])))
    draw.shuffle(rounds)
    return rounds
