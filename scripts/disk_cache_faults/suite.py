"""The whole run: conversations that go on, while who answers them is killed and its files are damaged."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from bot.engine.interface import EngineOptions
from bot.engine.worker.paged.disk_cache.block_file import UNFINISHED_SUFFIX
from disk_cache_faults.conversations import TOGETHER, Turn, make_rounds
from disk_cache_faults.damage import Damage, DamagedFile, block_files, inflict
from disk_cache_faults.kills import Round, Victim, plan_rounds
from disk_cache_faults.report import Mistake, Report, describe, judge
from disk_cache_faults.small_bot import SmallBot

_LEAST_GIGABYTES = 1e-3
"""The engine makes about 1,000 tokens of it, its least."""

_DISK_GIGABYTES = 1.0
_WRITE_SECONDS = 2.0
_POLL_SECONDS = 0.001
_DELETE_SECONDS = 5.0
_MOST_STARTS = 3
_MOST_EXAMPLES = 20


def exact_options(model_dir: Path) -> EngineOptions:
    """Return options with which answers repeat to the last token, without a disk cache.

    In f32, a prompt that is read in other pieces, or beside other prompts, differs in the last bits only. The tiny
    models' weights are ten times as large as usual, so that the likeliest token leads by far more, on any processor.
    Memory is small, so that conversations leave it while others ask.
    """
    return EngineOptions(
        engine="paged",
        model_dir=model_dir,
        properties={"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"},
        cache_gigabytes=_LEAST_GIGABYTES,
        max_batch=TOGETHER,
    )


class DiskCacheFaultSuite:
    """Runs the suite once.

    Args:
        options: see `exact_options`.
        folder: a new folder for the disk cache.
        seed: decides everything that is drawn at random.
        say: called with one line for each round.
    """

    def __init__(
        self, options: EngineOptions, folder: Path, *, rounds: int, seed: int, say: Callable[[str], None]
    ) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - load, no secret
        self._plan = plan_rounds(rounds, self._draw)
        self._without = options
        self._with = replace(options, disk_cache_dir=folder, disk_cache_gigabytes=_DISK_GIGABYTES)
        self._folder = folder
        self._say = say
        self._due: list[Damage] = []
        self._report = Report(rounds_planned=rounds)

    async def run(self) -> Report:
        """Compute the right answers, run all rounds, and compare every answer.

        Raises:
            ConfigurationError: the engine cannot start with these options.
            TimeoutError: it does not answer.
        """
        began = time.monotonic()
        self._say(f"computing {len(self._plan) * TOGETHER} answers without any cache")
        asked = await make_rounds(self._without, len(self._plan), self._draw)
        await self._start()
        try:
            for number, (planned, turns) in enumerate(zip(self._plan, asked, strict=True), 1):
                await self._run_round(planned, turns)
                self._say(f"round {number:3} of {len(self._plan)}: {planned.victim} killed, {self._state()}")
        finally:
            await self._kill_all()
        self._report.seconds = time.monotonic() - began
        return self._report

    async def _run_round(self, planned: Round, turns: Sequence[Turn]) -> None:
        """Ask, kill, damage, and ask the same again."""
        names = self._names()
        await self._bot.ask([turn.prompt for turn in turns])
        self._report.writing += await self._until_it_writes(names)
        await asyncio.sleep(planned.delay_seconds)
        if planned.victim is Victim.ENGINE:
            self._bot.kill_engine()
            self._count_unfinished()
            await self._judge_answers(turns)  # the supervisor lets them go on
            await self._ask_again(turns)
        else:
            if planned.victim is Victim.ALL:
                self._bot.kill_engine()
            await self._kill_bot()
            self._count_unfinished()
            damaged = self._inflict(planned, turns)
            await self._start()
            await self._ask_again(turns)
            await self._require_gone(damaged, turns)
        self._report.kills[planned.victim] += 1

    async def _start(self) -> None:
        self._bot = SmallBot(self._with)
        await self._bot.answers()

    async def _kill_bot(self) -> None:
        self._bot.kill()
        if not await self._bot.wait():
            self._note(Mistake.LEFT_BEHIND, "after a kill of the bot")

    async def _kill_all(self) -> None:
        self._bot.kill_engine()
        self._bot.kill()
        await self._bot.wait()

    async def _until_it_writes(self, names: frozenset[str]) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_WRITE_SECONDS):
                while self._names() <= names:  # noqa: ASYNC110 - a file of another process has no event
                    await asyncio.sleep(_POLL_SECONDS)
                return True
        return False

    async def _ask_again(self, turns: Sequence[Turn]) -> None:
        await self._bot.ask([turn.prompt for turn in turns])
        await self._judge_answers(turns)

    async def _judge_answers(self, turns: Sequence[Turn]) -> None:
        crashes = self._bot.crashes
        answers = await self._bot.answers()
        for _ in range(self._bot.crashes - crashes):
            self._note(Mistake.CRASHED, "the log says why")
        self._report.from_disk += answers.from_disk
        for number, (turn, ids) in enumerate(zip(turns, answers.ids, strict=True)):
            self._report.answers += 1
            if mistake := judge(turn, ids):
                self._note(mistake, f"conversation {number}: {describe(turn, ids)}")

    def _inflict(self, planned: Round, turns: Sequence[Turn]) -> list[DamagedFile]:
        """Damage files of these prompts. What a kill before the second file leaves for a later round stays due."""
        self._due += planned.damages
        damaged: list[DamagedFile] = []
        (folder,) = (each for each in self._folder.iterdir() if each.is_dir())
        for damage in list(self._due):
            # A file that was damaged before stays as it is.
            spoiled = {each.path for each in damaged}
            files = {file for turn in turns for file in block_files(folder, turn.prompt)} - spoiled
            if len(files) > 1:
                damaged.append(inflict(damage, sorted(files), self._draw))
                self._due.remove(damage)
                self._report.damages[damage] += 1
        return damaged

    async def _require_gone(self, damaged: Sequence[DamagedFile], turns: Sequence[Turn]) -> None:
        """Wait until no damaged file is left. An engine that finds its disk slow reads a prompt instead: ask again."""
        for _ in range(_MOST_STARTS):
            with suppress(TimeoutError):
                async with asyncio.timeout(_DELETE_SECONDS):
                    while any(each.is_there for each in damaged):  # noqa: ASYNC110 - it has no event
                        await asyncio.sleep(_POLL_SECONDS)
                    return
            await self._kill_all()
            await self._start()
            await self._ask_again(turns)
        for each in damaged:
            if each.is_there:
                self._note(Mistake.DAMAGE_KEPT, f"{each.path.name}, {each.damage}")

    def _count_unfinished(self) -> None:
        self._report.unfinished += any(name.endswith(UNFINISHED_SUFFIX) for name in self._names())

    def _names(self) -> frozenset[str]:
        """The names of all files of the disk cache."""
        return frozenset(name for _, _, names in os.walk(self._folder) for name in names)

    def _state(self) -> str:
        return f"{self._report.answers:,} answers, {self._report.mistakes.total()} mistakes so far"

    def _note(self, mistake: Mistake, line: str) -> None:
        self._report.mistakes[mistake] += 1
        if len(self._report.examples) < _MOST_EXAMPLES:
            self._report.examples.append(f"{mistake}: {line}")
