"""The moments at which the bot is killed."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from separate_bot.replies import Listener

from bot.demo.loopback import LoopbackDiscord

_LONGEST_WAIT_SECONDS = 30.0


class Phase(StrEnum):
    """What the bot is doing when it is killed. If it does not get there in time, it is killed anyway."""

    STARTING = "starting"
    RECOVERING = "recovering"  # it reads the questions that came before the start
    ANSWERING = "answering"
    SENDING = "sending"  # it has just sent a message of an answer
    FINISHING = "finishing"  # it has just made the last edit of an answer


_LONGEST_DELAY_SECONDS = {
    Phase.STARTING: 8.0,
    Phase.RECOVERING: 1.0,
    Phase.ANSWERING: 6.0,
    Phase.SENDING: 0.05,
    Phase.FINISHING: 0.05,
}


@dataclass(frozen=True, slots=True)
class Round:
    """One run of the bot, from its start to its kill.

    Attributes:
        delay_seconds: from the beginning of the phase to the kill.
        downtime_seconds: from the kill to the next start.
    """

    phase: Phase
    delay_seconds: float
    downtime_seconds: float

    async def wait(self, discord: LoopbackDiscord, listener: Listener) -> None:
        """Wait for the moment to kill a bot that has just been started."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
                await self._wait_for_phase(discord, listener)
        await asyncio.sleep(self.delay_seconds)

    async def _wait_for_phase(self, discord: LoopbackDiscord, listener: Listener) -> None:
        if self.phase is Phase.STARTING:
            return
        if self.phase is Phase.RECOVERING:
            calls = len(discord.calls)
            await discord.wait_for(
                lambda: any(call.method == "GET" and "/messages" in call.path for call in discord.calls[calls:]),
                _LONGEST_WAIT_SECONDS,
            )
            return
        await listener.wait_for(_SIGNS[self.phase])


_SIGNS = {
    Phase.ANSWERING: lambda _message, _is_new: True,
    Phase.SENDING: lambda _message, is_new: is_new,
    Phase.FINISHING: lambda message, is_new: not is_new and not message.has_button,
}


def plan_rounds(count: int, draw: random.Random) -> list[Round]:
    """Draw rounds at random; every phase comes equally often."""
    phases = list(Phase)
    rounds = []
    for number in range(count):
        phase = phases[number % len(phases)]
        delay = draw.uniform(0, _LONGEST_DELAY_SECONDS[phase])
        rounds.append(Round(phase, delay, downtime_seconds=draw.choice([0.0, draw.uniform(0, 3)])))
    draw.shuffle(rounds)
    return rounds
