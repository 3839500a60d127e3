"""One turn of one engine: all its measures. One that fails does not stop the others."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from benchmarking import measures
from benchmarking.crowd import Crowd, PromptReads
from benchmarking.loop_lag import LoopLag
from benchmarking.measures import Figures
from benchmarking.newcomer import newcomer
from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from bot.engine.interface import Engine, EngineFacts
from bot.engine.observer import EngineObserver
from bot.export.peak_memory import PeakMemory
from bot.model.folder import ModelFolder

Report = dict[str, Any]


class StartableEngine(Engine, Protocol):
    """An engine that is not loaded yet."""

    async def start(self) -> EngineFacts:
        """Load the model, in a process that `close` ends.

        Raises:
            ConfigurationError: it cannot be loaded; no process is left.
        """
        ...


class EngineRun:
    """Measures one engine, from loading it to closing it.

    Args:
        name: such as `paged`.
        new_engine: makes the engine; only what runs the bot's own worker reports to the observer.
        folder: of the engine's model.
        say: called with a line of progress.
        names: the measures to take. The engine is loaded in any case.
        on_measured: called with the report so far after each measure, so that an interruption costs little.
    """

    def __init__(
        self,
        name: str,
        new_engine: Callable[[EngineObserver], StartableEngine],
        folder: ModelFolder,
        plan: Plan,
        say: Callable[[str], None],
        names: Collection[str],
        on_measured: Callable[[Report], None] | None = None,
    ) -> None:
        self._name = name
        self._folder = folder
        self._plan = plan
        self._say = say
        self._names = names
        self._on_measured = on_measured
        self._prompts = Prompts(folder)
        self._reads = PromptReads()
        self._engine = new_engine(self._reads)
        self._left_out = plan.left_out(name, folder.context_length)
        self._lag = LoopLag()
        self._report: Report = {"began_at": datetime.now(UTC).isoformat(timespec="seconds"), "measures": {}}

    async def measure_all(self) -> Report:
        """Load the engine, measure it, close it, and then run the whole bot on it.

        Returns:
            `name` and `device_name` of the engine, `measures` by name, `loop_lag` and `memory` of the whole run.
            A measure without figures holds the reason as `failed` or `skipped`.
        """
        with PeakMemory() as memory:
            async with self._lag:
                loaded = await self._measure_engine(memory)
            if loaded:
                self._report["loop_lag"] = self._lag.summary()
                await self._measure("mention", partial(self._mentions, memory))
        if loaded:
            self._report["memory"] = {"bot_bytes": memory.own_bytes, "engine_bytes": memory.engine_bytes}
        self._report["complete"] = True
        return self._report

    async def _measure_engine(self, memory: PeakMemory) -> bool:
        """Measure the engine alone; return whether it loads."""
        try:
            await self._measure("load", self._load)
            if self._engine.facts is None:
                self._report["failed"] = self._report["measures"]["load"]["failed"]
                return False
            memory.watch_engine(self._engine.facts.process_id)
            for name, work in self._measures().items():
                await self._measure(name, work)
        finally:
            await self._engine.close()
        return True

    def _measures(self) -> dict[str, Callable[[], Awaitable[Figures]]]:
        arguments = self._engine, self._prompts, self._plan
        next_turn = partial(measures.next_turn, *arguments, read_history=self._name != "optimum")
        crowd = Crowd(*arguments, self._folder.context_length)
        return {
            "after_load": partial(measures.first_token_after_load, *arguments),
            "one_chat": partial(measures.one_chat, *arguments),
            **{f"together_{count}": partial(measures.chats_together, *arguments, count) for count in self._plan.chats},
            **{f"next_turn_{history}": partial(next_turn, history) for history in self._plan.histories},
            "answers": partial(measures.answers, *arguments),
            "newcomer": partial(newcomer, *arguments),
            "crowd": partial(crowd.run, self._reads),
        }

    async def _measure(self, name: str, work: Callable[[], Awaitable[Figures]]) -> None:
        if name not in self._names and name != "load":
            return
        self._say(name)
        started, ticks = time.perf_counter(), self._lag.ticks
        try:
            reason = self._left_out.get(name)
            figures: Figures = {"skipped": reason} if reason else await work()
        except Exception as error:  # noqa: BLE001 - reported with its reason; the other measures go on
            figures = {"failed": " ".join(str(error).split()) or type(error).__name__}
            self._say(f"{name} failed: {figures['failed']}")
        figures["took_seconds"] = time.perf_counter() - started
        figures["loop_lag"] = self._lag.summary(ticks)
        self._report["measures"][name] = figures
        if self._on_measured is not None:
            self._on_measured(self._report)

    async def _load(self) -> Figures:
        started = time.perf_counter()
        facts = await self._engine.start()
        seconds = time.perf_counter() - started
        self._report |= {"name": facts.engine, "device_name": facts.device_name}
        return {"start_to_ready_seconds": seconds, "load_and_warm_up_seconds": facts.load_seconds}

    async def _mentions(self, memory: PeakMemory) -> Figures:
        # The loopback Discord is an extra; the engine is measured without it, too.
        from benchmarking.mention import mentions

        return await mentions(self._name, self._folder.path, self._plan, memory)
