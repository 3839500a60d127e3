"""The whole run: an engine under load that a fault strikes in every round."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.engine.interface import EngineOptions
from bot.engine.observer import BatchState
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.engine.worker.admission import ModelLimits
from fault_injection.clients import CLIENTS, ClientRequest, Clients
from fault_injection.faults import Fault, Round, plan_rounds
from fault_injection.footprint import Footprint, engine_processes
from fault_injection.questions import make_questions, undisturbed_answers
from fault_injection.report import Report
from fault_injection.verdict import describe, judge

PATIENCE_SECONDS = 120.0
"""How long the engine may take to recover, and the last answers to arrive."""

_POLL_SECONDS = 0.02
_MOST_EXAMPLES = 20


def exact_options(model_dir: Path, hang_seconds: float) -> EngineOptions:
    """Return options with which answers repeat to the last token, and with which some requests must wait."""
    return EngineOptions(
        engine="paged",
        model_dir=model_dir,
        properties={"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"},
        cache_gigabytes=0.2,
        max_batch=CLIENTS - 2,
        hang_seconds=hang_seconds,
    )


class FaultSuite:
    """Runs the suite once. It is also the engine's observer.

    Args:
        options: see `exact_options`.
        questions: the number of different ones.
        seed: decides everything that is drawn at random.
        say: called with one line for each round.
    """

    def __init__(
        self, options: EngineOptions, *, rounds: int, questions: int, seed: int, say: Callable[[str], None]
    ) -> None:
        draw = random.Random(seed)  # noqa: S311 - load, no secret
        vocabulary = ModelLimits.read(options.model_dir).vocabulary
        self._options = options
        self._plan = plan_rounds(rounds, draw)
        self._questions = make_questions(questions, vocabulary, draw)
        self._say = say
        self._engine = EngineSupervisor(options, self)
        self._clients = Clients(self._engine, self._questions, draw, self._note_tokens)
        self._causes: list[str] = []
        self._others = engine_processes()  # not started by this suite
        self._struck: set[int] = set()  # the processes that this round has struck
        self._answered_at: float | None = None  # when a process not struck gave its first tokens

    async def run(self) -> Report:
        """Compute the answers without faults, run all rounds, and judge every request.

        Raises:
            ConfigurationError: the engine cannot start with these options.
        """
        began = time.monotonic()
        self._say(f"computing {len(self._questions)} answers without faults")
        answers = await undisturbed_answers(self._options, self._questions)
        report = Report(rounds_planned=len(self._plan), before=Footprint.take())
        await self._engine.start()
        try:
            self._clients.start()
            await self._run_rounds(report)
            await self._clients.stop(PATIENCE_SECONDS)
        finally:
            await self._engine.close()
        for request in self._clients.requests:
            await _judge(request, answers[request.question], report)
        report.restarts.update(self._causes)
        report.after = Footprint.take()
        report.seconds = time.monotonic() - began
        return report

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it: only restarts matter here."""

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:
        """Ignore it: only restarts matter here."""

    def engine_restarted(self, cause: str) -> None:
        """Keep the reported cause."""
        self._causes.append(cause)
        self._clients.note_restart()

    def _note_tokens(self) -> None:
        facts = self._engine.facts
        if self._answered_at is None and facts is not None and facts.process_id not in self._struck:
            self._answered_at = time.monotonic()

    async def _run_rounds(self, report: Report) -> None:
        for number, planned in enumerate(self._plan, 1):
            try:
                seconds = await self._run_round(planned, report)
            except TimeoutError:
                report.stuck = f"(round {number}, {planned.name}: no token for {PATIENCE_SECONDS:.0f} s)"
                return
            report.recovery_seconds.setdefault(planned.name, []).append(seconds)
            self._say(
                f"round {number:3} of {len(self._plan)}: {planned.name:12} "
                f"next token after {seconds:5.2f} s, {len(self._clients.requests):,} requests so far"
            )

    async def _run_round(self, planned: Round, report: Report) -> float:
        """Strike the engine; return the seconds until a client gets a token again."""
        self._struck.clear()
        await _wait_until(lambda: self._answered_at is not None)
        await asyncio.sleep(planned.delay_seconds)
        await _wait_until(lambda: self._engine.facts is not None)
        assert self._engine.facts is not None
        reported, struck_at = len(self._causes), time.monotonic()
        self._strike(planned.fault, self._engine.facts.process_id, report)
        if planned.second is not None:
            await _wait_until(lambda: bool(self._successors()))
            await asyncio.sleep(planned.second_delay_seconds)
            for process_id in self._successors():
                self._strike(planned.second, process_id, report)
        await _wait_until(lambda: self._answered_at is not None)
        report.wrong_causes += self._causes[reported : reported + 1] != [planned.fault.cause]
        assert self._answered_at is not None
        return self._answered_at - struck_at

    def _strike(self, fault: Fault, process_id: int, report: Report) -> None:
        self._struck.add(process_id)
        self._answered_at = None
        fault.strike(process_id)
        report.faults[fault] += 1

    def _successors(self) -> frozenset[int]:
        """Return the engine process that replaces the one that was struck."""
        return engine_processes() - self._others - self._struck


async def _wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - the condition has no event
            await asyncio.sleep(_POLL_SECONDS)


async def _judge(request: ClientRequest, answer: Sequence[int], report: Report) -> None:
    """Add a request to the figures."""
    outcome = request.generation.outcome
    report.requests += 1
    report.tokens += len(request.ids)
    report.ends[outcome.reason if outcome else "none"] += 1
    mistake = await judge(request, answer)
    if mistake is None:
        return
    report.mistakes[mistake] += 1
    if len(report.examples) < _MOST_EXAMPLES:
        report.examples.append(f"{mistake}: {describe(request, answer)}")
