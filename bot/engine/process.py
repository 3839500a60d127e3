"""The engine in a process of its own, started again when it is lost."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from bot.engine.child import EngineChild
from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, GenerationRequest, Outcome
from bot.engine.protocol import Cancel, Ended, Event, Submit, Tokens
from bot.engine.stream import TokenStream
from bot.errors import ConfigurationError

RESTART_DELAYS = (0.0, 1.0, 4.0, 15.0)
"""Seconds before each attempt to start a lost engine again. After the last one waiting requests fail."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """A request on its way: `sent` once an engine process has it."""

    request: GenerationRequest
    stream: TokenStream
    sent: bool = False


class EngineProcess:
    """An `Engine` that lives in a child process.

    OpenVINO holds Python's lock for seconds at a time and can crash natively; in a process of its own it does
    neither to the bot. All methods belong to the event loop that called `start`.
    """

    def __init__(self, options: EngineOptions) -> None:
        """Prepare an engine; `start` loads it."""
        self._options = options
        self._facts: EngineFacts | None = None
        self._restarts = 0
        self._child: EngineChild | None = None
        self._jobs: dict[int, _Job] = {}
        self._ids = itertools.count()
        self._closed = False
        self._restarting: asyncio.Task[None] | None = None
        self._farewells: set[asyncio.Task[None]] = set()

    @property
    def facts(self) -> EngineFacts | None:
        """What the loaded engine says about itself; None while it is not loaded."""
        return self._facts

    @property
    def restarts(self) -> int:
        """How often the engine process was lost and started again."""
        return self._restarts

    async def start(self, on_progress: Callable[[str], None] | None = None) -> EngineFacts:
        """Start the process, load the model and warm it up.

        Args:
            on_progress: called with a line for each phase.

        Raises:
            ConfigurationError: the engine cannot start with these options; nothing is left running.
        """
        try:
            return await self._launch(on_progress)
        except ConfigurationError as error:
            self._fail_waiting(str(error))
            raise

    def submit(self, request: GenerationRequest) -> TokenStream:
        """Hand a request over and return at once. While the engine is being started again the request waits."""
        job_id = next(self._ids)
        job = _Job(request, TokenStream(lambda: self._cancel(job_id)))
        self._jobs[job_id] = job
        if self._closed:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        elif self._facts is not None:
            self._send(job_id, job)
        elif self._child is None:
            self._restart()
        return job.stream

    async def close(self) -> None:
        """End every request with `CANCELLED` and the process with it. It takes a few seconds at the most."""
        self._closed = True
        self._facts = None
        for job_id in list(self._jobs):
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        if self._restarting is not None:
            self._restarting.cancel()
            await asyncio.wait([self._restarting])
        if self._child is not None:
            self._dismiss(self._child)
        await asyncio.gather(*self._farewells)

    async def _launch(self, on_progress: Callable[[str], None] | None) -> EngineFacts:
        child = self._child = EngineChild(self._options, self._receive, self._lose)
        try:
            self._facts = await child.load(on_progress)
        except BaseException:  # a cancelled start too must leave no process behind
            self._dismiss(child)
            await asyncio.gather(*self._farewells)
            raise
        for job_id, job in self._jobs.items():
            self._send(job_id, job)
        return self._facts

    def _dismiss(self, child: EngineChild) -> None:
        """End a process in the background; `close` waits for it."""
        if self._child is child:
            self._child = None
            self._facts = None
            farewell = asyncio.create_task(child.end())
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)

    def _send(self, job_id: int, job: _Job) -> None:
        assert self._child is not None
        job.sent = True
        self._child.send(Submit(job_id, job.request))

    def _cancel(self, job_id: int) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            return
        if job.sent and self._child is not None:
            self._child.send(Cancel(job_id))
        else:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))

    def _finish(self, job_id: int, outcome: Outcome) -> None:
        job = self._jobs.pop(job_id, None)
        if job is not None:
            job.stream.finish(outcome)

    def _receive(self, child: EngineChild, events: list[Event]) -> None:
        if child is not self._child:
            return
        for event in events:
            match event:
                case Tokens(job_id, ids) if job_id in self._jobs:
                    self._jobs[job_id].stream.push(ids)
                case Ended(job_id, outcome):
                    self._finish(job_id, outcome)

    def _lose(self, child: EngineChild) -> None:
        """The process is gone. If nobody wanted that, say so to its requests and start another one."""
        if child is not self._child or self._facts is None:
            return
        log.warning("the engine process was lost (exit code %s); it is started again", child.exit_code)
        self._dismiss(child)
        for job_id in [each for each, job in self._jobs.items() if job.sent]:
            self._finish(job_id, Outcome(FinishReason.ENGINE_LOST))
        self._restart()

    def _restart(self) -> None:
        if self._restarting is None:
            self._restarting = asyncio.create_task(self._start_again())

    async def _start_again(self) -> None:
        """Try to start the engine, a little later each time; give up on the waiting requests in the end."""
        detail = ""
        try:
            for delay in RESTART_DELAYS:
                await asyncio.sleep(delay)
                try:
                    await self._launch(None)
                except (ConfigurationError, OSError) as error:
                    detail = str(error)
                    log.warning("the engine did not start: %s", detail)
                else:
                    self._restarts += 1
                    return
        finally:
            self._restarting = None
        self._fail_waiting(detail)

    def _fail_waiting(self, detail: str) -> None:
        for job_id in list(self._jobs):
            self._finish(job_id, Outcome(FinishReason.FAILED, f"the engine does not start: {detail}"))
