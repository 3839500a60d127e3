"""Runs the engine in a worker process, restarts it after a crash or a hang, and resumes its requests."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from bot.engine.interface import EngineFacts, EngineOptions, Erasure, FinishReason, GenerationRequest, Outcome
from bot.engine.observer import EngineObserver, NoObserver
from bot.engine.protocol import (
    Cancel,
    Ended,
    Erase,
    Event,
    Interrupted,
    Logged,
    PromptTaken,
    Ready,
    Stepped,
    Submit,
    Tokens,
    Warned,
)
from bot.engine.supervisor.hang_detector import CHECK_SECONDS, HangDetector
from bot.engine.supervisor.held_messages import HeldMessages
from bot.engine.supervisor.job import Job
from bot.engine.supervisor.jobs import Jobs
from bot.engine.supervisor.recent_erasures import RecentErasures
from bot.engine.supervisor.restarter import Restarter
from bot.engine.supervisor.token_stream import TokenStream
from bot.engine.supervisor.worker_log import log_again
from bot.engine.supervisor.worker_process import WorkerProcess
from bot.engine.usage import NO_USAGE, Usage
from bot.errors import ConfigurationError
from bot.log_context import create_shared_task

_STEADY_SECONDS = 30.0
"""A worker that lived this long has started well, even if it had nothing to do."""

log = logging.getLogger(__name__)


class EngineSupervisor:
    """An `Engine` in a child process.

    OpenVINO holds Python's lock for seconds and can crash natively; in a process of its own it harms only itself. Call
    all methods in the event loop that called `start`.
    """

    def __init__(
        self,
        options: EngineOptions,
        observer: EngineObserver | None = None,
        held_messages: HeldMessages | None = None,
    ) -> None:
        self._options = options
        self._observer = observer or NoObserver()
        self._held_messages = held_messages or HeldMessages()
        self._facts: EngineFacts | None = None
        self._restarts = 0
        self._restarter = Restarter(lambda: self._launch(None), self._fail_waiting)
        self._worker: WorkerProcess | None = None
        self._hung = False  # whether the current worker was killed for hanging
        self._loaded_at = 0.0
        self._jobs = Jobs()
        self._erasures = RecentErasures(lambda: self._jobs)
        self._closed = False
        self._watch_task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._no_jobs = asyncio.Event()
        self._no_jobs.set()

    @property
    def facts(self) -> EngineFacts | None:
        """Facts about the loaded engine; None while it is not loaded."""
        return self._facts

    @property
    def restarts(self) -> int:
        """How often the worker crashed or hung."""
        return self._restarts

    async def start(self, on_progress: Callable[[str], None] | None = None) -> EngineFacts:
        """Start the worker, load the model and warm it up.

        Args:
            on_progress: called with one line for each phase.

        Raises:
            ConfigurationError: the engine cannot start with these options; no process is left.
        """
        try:
            return await self._launch(on_progress)
        except ConfigurationError as error:
            self._fail_waiting(str(error))
            raise

    def submit(self, request: GenerationRequest) -> TokenStream:
        """Submit a request and return at once. During a restart the request waits."""
        job_id = self._jobs.next_id()
        job = Job(request, TokenStream(lambda: self._cancel(job_id)), time.monotonic() + request.time_limit_seconds)
        self._jobs.add(job_id, job)
        self._no_jobs.clear()
        for erasure in self._held_messages.add_request(request):
            self.erase(erasure)
        if self._closed:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        elif self._facts is not None:
            self._send_waiting()
        elif self._worker is None:
            self._restarter.begin()
        return job.stream

    def erase(self, erasure: Erasure) -> None:
        """Erase words from the worker's caches, before anything that is submitted later begins."""
        self._erasures.add(erasure)
        if self._worker is not None:
            self._worker.send(Erase(erasure))

    async def retire(self) -> None:
        """Cancel prefill-ahead, wait until all other requests have ended, and close."""
        for job_id in [each for each, job in self._jobs.items() if job.request.prefill_only]:
            self._cancel(job_id)
        try:
            await self._no_jobs.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """End every request with `CANCELLED`, and the worker; takes at most a few seconds."""
        self._closed = True
        self._facts = None
        for job_id, _ in self._jobs.items():
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        await self._restarter.close()
        if self._watch_task is not None:
            self._watch_task.cancel()
            await asyncio.wait([self._watch_task])
        if self._worker is not None:
            self._end_in_background(self._worker)
        await asyncio.gather(*self._ending)

    async def _launch(self, on_progress: Callable[[str], None] | None) -> EngineFacts:
        worker = self._worker = WorkerProcess(self._options, self._receive, self._on_exit)
        for erasure in self._erasures.all():
            worker.send(Erase(erasure))
        self._hung = False
        self._watch_task = self._watch_task or create_shared_task(self._watch())
        try:
            self._facts = await worker.load(on_progress)
        except BaseException:  # cancellation too must leave no process behind
            self._end_in_background(worker)
            await asyncio.gather(*self._ending)
            raise
        self._loaded_at = time.monotonic()
        self._send_waiting()
        return self._facts

    def _end_in_background(self, worker: WorkerProcess) -> None:
        """End a worker in the background; `close` waits for it."""
        if self._worker is worker:
            self._worker = self._facts = None
            ending = create_shared_task(worker.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _send_waiting(self) -> None:
        """Send what the loaded worker does not have yet."""
        if self._worker is not None and self._facts is not None:
            for job_id, job in self._jobs.to_send():
                self._worker.send(Submit(job_id, job.remaining()))

    def _cancel(self, job_id: int) -> None:
        if (job := self._jobs.get(job_id)) is None:
            return
        job.cancelled = True
        if job.sent and self._worker is not None:
            self._worker.send(Cancel(job_id))
        else:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))

    def _finish(self, job_id: int, outcome: Outcome, usage: Usage = NO_USAGE) -> None:
        if (job := self._jobs.remove(job_id)) is None:
            return
        job.stream.usage += usage
        job.stream.finish(outcome)
        self._send_waiting()
        if not self._jobs:
            self._no_jobs.set()

    def _interrupt(self, job_id: int) -> None:
        if (outcome := self._jobs.interrupt(job_id)) is not None:
            self._finish(job_id, outcome)

    def _receive(self, worker: WorkerProcess, events: list[Event]) -> None:
        if worker is not self._worker:
            return
        for event in events:
            match event:
                case Tokens(job_id, ids) if (job := self._jobs.get(job_id)) is not None:
                    job.take(ids)
                    if self._jobs.end_isolation(job_id):
                        self._send_waiting()
                case Ended(job_id, outcome, usage):
                    self._finish(job_id, outcome, usage)
                case Interrupted(job_id) if self._jobs.get(job_id) is not None:
                    self._interrupt(job_id)
                    self._send_waiting()
                case Stepped(state):
                    self._restarter.reset()
                    self._observer.engine_stepped(state)
                case PromptTaken(job_id, tokens, cached, from_disk):
                    self._observer.prompt_read(tokens, cached, from_disk)
                    if (job := self._jobs.get(job_id)) is not None:
                        job.begin_prefill(tokens - cached, cached, from_disk)
                case Ready(_, cached_messages) if cached_messages is not None:
                    self._held_messages.add_stored(cached_messages)
                case Warned() | Logged():
                    log_again(event)

    async def _watch(self) -> None:
        """Kill a worker that hangs, and time out requests that wait for a worker."""
        watched: tuple[WorkerProcess, HangDetector] | None = None
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = time.monotonic()
            for job_id in [each for each, job in self._jobs.items() if not job.sent and job.deadline <= now]:
                self._finish(job_id, Outcome(FinishReason.TIMEOUT))
            if (worker := self._worker) is None:
                continue
            if watched is None or watched[0] is not worker:
                watched = worker, HangDetector(worker.process_id, self._options.hang_seconds)
            watched[1].poll()
            if not self._hung and self._hangs(*watched):
                log.warning("engine hangs, killing it process_id=%d", worker.process_id)
                self._hung = True
                worker.kill()

    def _hangs(self, worker: WorkerProcess, detector: HangDetector) -> bool:
        if self._facts is None:
            return detector.hangs_loading(worker.last_event)
        if not (sent := [job for job in self._jobs if job.sent]):
            worker.last_event = time.monotonic()  # without work there is nothing to report
            return False
        # There a whole prompt is one silent call, which may take minutes; only the requests' time limit applies.
        may_be_silent = self._options.engine == "optimum"
        overdue = time.monotonic() - max(job.deadline for job in sent) > self._options.hang_seconds
        return overdue or detector.hangs_at_work(worker.last_event, may_be_silent=may_be_silent)

    def _on_exit(self, worker: WorkerProcess) -> None:
        """Restart after a crash or a hang, and resume the requests; an end that was asked for needs nothing."""
        if worker is not self._worker or self._facts is None:
            return
        cause = "hung" if self._hung else "crashed"
        log.warning("engine %s, restarting it exit_code=%s", cause, worker.exit_code)
        self._observer.engine_restarted(cause)
        self._restarts += 1
        if time.monotonic() - self._loaded_at > _STEADY_SECONDS:
            self._restarter.reset()
        self._end_in_background(worker)
        for job_id, job in self._jobs.items():
            if job.sent:
                self._interrupt(job_id)
        self._restarter.begin()

    def _fail_waiting(self, detail: str) -> None:
        for job_id, _ in self._jobs.items():
            self._finish(job_id, Outcome(FinishReason.FAILED, f"the engine does not start: {detail}"))
