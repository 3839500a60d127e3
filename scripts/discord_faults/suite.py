"""The whole run: several bots side by side, each with its own Discord."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from discord_faults.full_disk import can_mount
from discord_faults.plan import Fault, RoundPlan, Scale, memory_setting, plan_round
from discord_faults.report import Report, RoundResult
from discord_faults.stretch import BotNotReadyError, Stretch

_MOST_ROUNDS_OF_A_BOT = 10


class DiscordFaultSuite:
    """Runs the suite once.

    Args:
        model_dir: see `write_model_of_many_lengths`.
        folder: an empty folder for the bots' data and logs.
        seeds: one for each round.
        parallel: how many bots run side by side.
        repeat: the command that repeats a seed alone, without the seed.
        say: called with one line for each round.
    """

    def __init__(
        self,
        model_dir: Path,
        folder: Path,
        *,
        seeds: Sequence[int],
        scale: Scale,
        parallel: int,
        repeat: str,
        say: Callable[[str], None],
    ) -> None:
        faults = tuple(fault for fault in Fault if fault is not Fault.FULL_DISK or can_mount())
        left_out = "" if Fault.FULL_DISK in faults else "(no full disk: only root on Linux can mount a small one)"
        plans = [plan_round(seed, scale, faults) for seed in seeds]
        self._model_dir = model_dir
        self._folder = folder
        self._scale = scale
        self._parallel = parallel
        self._say = say
        self._waiting = list(_stretches(plans, parallel))
        self._report = Report(rounds_planned=len(plans), repeat=repeat, left_out=left_out)
        self._bots = 0

    async def run(self) -> Report:
        """Run all rounds and judge each."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._parallel):
                lanes.create_task(self._run_stretches())
        self._report.seconds = time.monotonic() - began
        return self._report

    async def _run_stretches(self) -> None:
        while self._waiting:
            left: Sequence[RoundPlan] = self._waiting.pop(0)
            while left:
                left = await self._run_with_a_new_bot(left)

    async def _run_with_a_new_bot(self, plans: Sequence[RoundPlan]) -> Sequence[RoundPlan]:
        """Run rounds until one fails; return those that are left, because a bot that failed may fail again for that."""
        self._bots += 1
        folder = self._folder / f"bot-{self._bots}"
        try:
            async with Stretch(self._model_dir, folder, memory_setting(plans[0].seed), self._scale) as stretch:
                for number, plan in enumerate(plans, 1):
                    result = await stretch.run(plan)
                    self._note(result, folder)
                    if result.problems:
                        return plans[number:]
        except BotNotReadyError as error:
            self._note(RoundResult(plans[0], problems=[str(error)]), folder)
            return plans[1:]
        return ()

    def _note(self, result: RoundResult, folder: Path) -> None:
        self._report.results.append(result)
        self._say(result.line())
        if result.problems:
            for problem in result.problems:
                self._say(f"    {problem}")
            self._say(f"    log and database: {folder / f'seed-{result.plan.seed}.*'}")


def _stretches(plans: Sequence[RoundPlan], parallel: int) -> Iterator[list[RoundPlan]]:
    """Split rounds into stretches, each for one bot, whose setting `MEMORY` is that of all its rounds."""
    length = max(1, min(_MOST_ROUNDS_OF_A_BOT, -(-len(plans) // parallel)))

    def setting(plan: RoundPlan) -> str:
        return memory_setting(plan.seed)

    for _, group in groupby(sorted(plans, key=setting), key=setting):
        same = list(group)
        for start in range(0, len(same), length):
            yield same[start : start + length]
