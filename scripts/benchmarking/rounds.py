"""Engines in turn, round after round, so that what is compared is measured close together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil

from benchmarking.engine_run import EngineRun, Report, StartableEngine
from benchmarking.llama_server import LlamaOptions, LlamaServer
from benchmarking.plan import Plan
from benchmarking.report import write_report
from benchmarking.stream import STREAM_TOKENS, STREAMS
from bot.engine.observer import EngineObserver
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.model.folder import ModelFolder
from bot.settings import load_settings

NewEngine = Callable[[EngineObserver], StartableEngine]


def turns_of(engines: Sequence[str], round_number: int) -> Sequence[str]:
    """Return the engines in the order of a round: A B C in the odd ones, C B A in the even ones."""
    return engines if round_number % 2 else engines[::-1]


def bot_engine(name: str, folder: ModelFolder) -> NewEngine:
    """Return what makes one of the bot's engines, with the bot's own default settings."""
    # Without the disk cache, which would hold the prompts of an earlier turn.
    settings = load_settings(env_file=None, model_dir=folder.path, engine=name, kv_disk_gigabytes=0)
    return partial(EngineSupervisor, settings.engine_options)


def llama_engine(program: str, gguf: Path, folder: ModelFolder, plan: Plan) -> NewEngine:
    """Return what makes llama.cpp's server, with room for what the plan has running at once."""
    most_chats = max(plan.chats)
    needed = (
        max(map(plan.next_turn_length, plan.histories)),
        plan.newcomer_prompt + 1 + STREAMS * STREAM_TOKENS,
        most_chats * (plan.chat_prompt + plan.chat_answer),
    )
    options = LlamaOptions(
        program,
        gguf,
        folder.vocabulary_size,
        slots=max(most_chats, STREAMS + 1),
        context_tokens=max(needed),
        threads=psutil.cpu_count(logical=False) or 1,
    )
    return lambda _observer: LlamaServer(options)


class Rounds:
    """Measures engines in rounds; in each, every engine is loaded, measured and closed in turn.

    Only one of them is in memory at a time. What a report holds already is not measured again.

    Args:
        new_engines: what makes each engine, by its name, in the order of the first round.
        report: receives the figures; it is written to `output` after each measure.
        only: the measures of every round; empty for those of the plan.
        say: called with a line of progress.
    """

    def __init__(
        self,
        new_engines: dict[str, NewEngine],
        folder: ModelFolder,
        plan: Plan,
        report: Report,
        output: Path,
        only: Sequence[str],
        say: Callable[[str], None],
    ) -> None:
        self._new_engines = new_engines
        self._folder = folder
        self._plan = plan
        self._report = report
        self._output = output
        self._only = only
        self._say = say

    async def measure(self, rounds: int) -> None:
        """Measure this many rounds, those that the report already holds included."""
        for number in range(1, rounds + 1):
            if len(self._report["rounds"]) < number:
                self._report["rounds"].append({})
            for name in turns_of(list(self._new_engines), number):
                await self._measure_turn(name, number, f"round {number} of {rounds}, {name}")

    async def _measure_turn(self, name: str, number: int, title: str) -> None:
        turns: Report = self._report["rounds"][number - 1]
        earlier: Report = turns.get(name, {"measures": {}})
        if "failed" in earlier:  # it did not load
            earlier = {"measures": {}}
        wanted = [each for each in self._only or self._plan.measures_in(number) if each not in earlier["measures"]]
        if not wanted:
            return

        def keep(figures: Report) -> None:
            turns[name] = {**earlier, **figures, "measures": {**earlier["measures"], **figures["measures"]}}
            write_report(self._report, self._output)

        run = EngineRun(
            name,
            self._new_engines[name],
            self._folder,
            self._plan,
            lambda line: self._say(f"{title}: {line}"),
            wanted,
            keep,
        )
        keep(await run.measure_all())
