"""How each fault is done to the loopback Discord, to the bot's process or to its disk."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from separate_bot.bot_process import BotProcess

from bot.demo.loopback import ConnectionFault, Limit, LoopbackDiscord, Outage
from discord_faults.full_disk import SmallDisk
from discord_faults.plan import Fault, RoundPlan, Strike

_IN_CHANNELS = "/channels/*"
_EXIT_SECONDS = 90.0
_LIMITS = {
    Fault.CHANNEL_LIMIT: Limit.CHANNEL,
    Fault.GLOBAL_LIMIT: Limit.GLOBAL,
    Fault.SHARED_LIMIT: Limit.SHARED,
    Fault.CLOUDFLARE: Limit.CLOUDFLARE,
}
_BREAKS = {
    Fault.RESET: (ConnectionFault.RESET, ConnectionFault.DISCONNECT),
    Fault.RESET_AFTER: (ConnectionFault.RESET_AFTER, ConnectionFault.DISCONNECT_AFTER),
    Fault.HANG: (ConnectionFault.HANG, ConnectionFault.HANG_AFTER),
    Fault.SLOW: (ConnectionFault.SLOW,),
}
_SERVER_ERRORS = (500, 502, 503)
_OUTAGES = tuple(Outage)


class Striker:
    """Strikes a bot.

    Args:
        disk: None where no disk can be mounted; then nothing may be planned for it.

    Attributes:
        process_errors: one line for each time the process did not do as told.
    """

    def __init__(self, discord: LoopbackDiscord, bot: BotProcess, disk: SmallDisk | None) -> None:
        self._discord = discord
        self._bot = bot
        self._disk = disk
        self._restarting = asyncio.Lock()
        self.process_errors: list[str] = []
        self._own: dict[Fault, Callable[[Strike], Awaitable[None]]] = {
            Fault.OUTAGE: self._outage,
            Fault.DROP: lambda _strike: self._discord.drop_gateway(),
            Fault.INVALID_SESSION: lambda _strike: self._discord.invalidate_session(),
            Fault.DOUBLED: self._double,
            Fault.LOST: self._lose,
            Fault.FULL_DISK: self._fill_disk,
            Fault.KILL: self._kill,
            Fault.TERMINATE: self._terminate,
        }

    async def strike_all(self, plan: RoundPlan) -> None:
        """Strike at the planned times, and end every fault at the end of the round."""
        began = time.monotonic()
        try:
            async with asyncio.TaskGroup() as strikes:
                for strike in plan.strikes:
                    strikes.create_task(self._strike_at(began + strike.at_seconds, strike))
                await asyncio.sleep(plan.seconds)
        finally:
            self._discord.end_faults()

    async def _strike_at(self, at: float, strike: Strike) -> None:
        await asyncio.sleep(at - time.monotonic())
        if (limit := _LIMITS.get(strike.fault)) is not None:
            self._discord.fail_next("*", _IN_CHANNELS, 429, strike.times, strike.seconds, limit=limit)
        elif strike.fault is Fault.SERVER_ERROR:
            status = _SERVER_ERRORS[strike.variant % len(_SERVER_ERRORS)]
            self._discord.fail_next("*", _IN_CHANNELS, status, strike.times)
        elif (breaks := _BREAKS.get(strike.fault)) is not None:
            how = breaks[strike.variant % len(breaks)]
            self._discord.break_next("*", _IN_CHANNELS, how, strike.times, seconds=strike.seconds)
        else:
            await self._own[strike.fault](strike)

    async def _outage(self, strike: Strike) -> None:
        how = _OUTAGES[strike.variant % len(_OUTAGES)]
        async with self._discord.outage(rest=how, gateway=strike.variant < len(_OUTAGES)):
            await asyncio.sleep(strike.seconds)

    async def _double(self, strike: Strike) -> None:
        self._discord.double_events("MESSAGE_CREATE", strike.times)

    async def _lose(self, _strike: Strike) -> None:
        """Do nothing: `People` lose the events of single questions, so that it is known of which."""

    async def _fill_disk(self, strike: Strike) -> None:
        assert self._disk is not None
        await asyncio.to_thread(self._disk.fill)
        try:
            await asyncio.sleep(strike.seconds)
        finally:
            self._disk.free()

    async def _kill(self, strike: Strike) -> None:
        async with self._restarted_after(strike.seconds):
            if left_behind := await self._bot.kill():
                self.process_errors.append(f"processes were left behind: {left_behind}")

    async def _terminate(self, strike: Strike) -> None:
        async with self._restarted_after(strike.seconds):
            # A process that is still starting does not catch the signal yet.
            expected = (0,) if self._discord.bot_online else (0, -signal.SIGTERM)
            try:
                if (code := await self._bot.terminate(_EXIT_SECONDS)) not in expected:
                    self.process_errors.append(f"the bot ended on SIGTERM with exit code {code}")
            except TimeoutError:
                self.process_errors.append(f"the bot did not end within {_EXIT_SECONDS:.0f} s of SIGTERM")
                await self._bot.kill()

    @asynccontextmanager
    async def _restarted_after(self, downtime_seconds: float) -> AsyncIterator[None]:
        async with self._restarting:
            if self._bot.ended:
                self.process_errors.append("the bot had exited by itself")
            yield
            await asyncio.sleep(downtime_seconds)
            await self._bot.start()
