"""The engine in a process of its own: watched, started again when it is lost, every request taken up where it was."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable

from bot.engine.interface import (
    EngineFacts,
    EngineObserver,
    EngineOptions,
    FinishReason,
    GenerationRequest,
    Outcome,
)
from bot.engine.protocol import Cancel, Ended, Event, PromptTaken, Stepped, Submit, Tokens
from bot.engine.supervisor.hang_detector import CHECK_SECONDS, HangDetector
from bot.engine.supervisor.job import MAX_CRASHES, Job
from bot.engine.supervisor.token_stream import TokenStream
from bot.engine.supervisor.worker_process import WorkerProcess
from bot.errors import ConfigurationError

RESTART_DELAYS = (0.0, 1.0, 4.0, 15.0)
"""Seconds before each attempt to start a lost engine again. After the last one waiting requests fail."""

_STEADY_SECONDS = 30.0
"""A process that was there for so long did not end of its start, even if it had nothing to do."""

log = logging.getLogger(__name__)


class EngineSupervisor:
    """An `Engine` that lives in a child process.

    OpenVINO holds Python's lock for seconds at a time and can crash natively; in a process of its own it does
    neither to the bot. All methods belong to the event loop that called `start`.

    Args:
        options: the model to load.
        observer: told what happens, for people's metrics.
    """

    def __init__(self, options: EngineOptions, observer: EngineObserver | None = None) -> None:
        self._options = options
        self._observer = observer
        self._facts: EngineFacts | None = None
        self._restarts = 0
        self._starts_without_step = 0  # without a step in between
        self._child: WorkerProcess | None = None
        self._hung = False  # whether the present child was killed for it
        self._loaded_at = 0.0
        self._jobs: dict[int, Job] = {}
        self._isolated: int | None = None  # a suspicious request that is run without others
        self._ids = itertools.count()
        self._closed = False
        self._restarting: asyncio.Task[None] | None = None
        self._watch_task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._no_jobs = asyncio.Event()
        self._no_jobs.set()

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
        deadline = time.monotonic() + request.time_limit_seconds
        job = Job(request, TokenStream(lambda: self._cancel(job_id)), deadline)
        self._jobs[job_id] = job
        self._no_jobs.clear()
        if self._closed:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        elif self._facts is not None:
            self._send_waiting()
        elif self._child is None:
            self._restart()
        return job.stream

    async def retire(self) -> None:
        """Wait until the requests on their way have ended, and then close. What is read ahead is given up."""
        for job_id in [each for each, job in self._jobs.items() if job.request.prefill_only]:
            self._cancel(job_id)
        try:
            await self._no_jobs.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """End every request with `CANCELLED` and the process with it. It takes a few seconds at the most."""
        self._closed = True
        self._facts = None
        for job_id in list(self._jobs):
            self._finish(job_id, Outcome(FinishReason.CANCELLED))
        for task in (self._restarting, self._watch_task):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._child is not None:
            self._end_in_background(self._child)
        await asyncio.gather(*self._ending)

    async def _launch(self, on_progress: Callable[[str], None] | None) -> EngineFacts:
        child = self._child = WorkerProcess(self._options, self._receive, self._on_exit)
        self._hung = False
        self._watch_task = self._watch_task or asyncio.create_task(self._watch())
        try:
            self._facts = await child.load(on_progress)
        except BaseException:  # a cancelled start too must leave no process behind
            self._end_in_background(child)
            await asyncio.gather(*self._ending)
            raise
        self._loaded_at = time.monotonic()
        self._send_waiting()
        return self._facts

    def _end_in_background(self, child: WorkerProcess) -> None:
        """End a process in the background; `close` waits for it."""
        if self._child is child:
            self._child = None
            self._facts = None
            ending = asyncio.create_task(child.end())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    def _send_waiting(self) -> None:
        """Send what the engine does not have yet; a suspicious request first, and the others only after it."""
        if self._isolated is not None or self._child is None:
            return
        waiting = {job_id: job for job_id, job in self._jobs.items() if not job.sent}
        self._isolated = next((job_id for job_id, job in waiting.items() if job.suspicious), None)
        if self._isolated is not None:
            waiting = {self._isolated: waiting[self._isolated]}
        for job_id, job in waiting.items():
            job.sent = True
            self._child.send(Submit(job_id, job.remaining()))

    def _cancel(self, job_id: int) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            return
        job.cancelled = True
        if job.sent and self._child is not None:
            self._child.send(Cancel(job_id))
        else:
            self._finish(job_id, Outcome(FinishReason.CANCELLED))

    def _finish(self, job_id: int, outcome: Outcome) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        job.stream.finish(outcome)
        self._end_isolation(job_id)
        if not self._jobs:
            self._no_jobs.set()

    def _end_isolation(self, job_id: int) -> None:
        """A suspicious request has shown that it is harmless, or has ended: the others may come."""
        if self._isolated == job_id:
            self._isolated = None
            if self._facts is not None:
                self._send_waiting()

    def _receive(self, child: WorkerProcess, events: list[Event]) -> None:
        if child is not self._child:
            return
        for event in events:
            match event:
                case Tokens(job_id, ids) if job_id in self._jobs:
                    self._jobs[job_id].take(ids)
                    self._end_isolation(job_id)
                case Ended(job_id, outcome):
                    self._finish(job_id, outcome)
                case Stepped(state):
                    self._starts_without_step = 0
                    if self._observer is not None:
                        self._observer.engine_stepped(state)
                case PromptTaken(_, prompt_tokens, cached_tokens) if self._observer is not None:
                    self._observer.prompt_read(prompt_tokens, cached_tokens)

    async def _watch(self) -> None:
        """End a process that hangs, and requests whose time ran out while there was no engine."""
        watched: tuple[WorkerProcess, HangDetector] | None = None
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            self._time_out_unsent()
            child = self._child
            if child is None:
                continue
            if watched is None or watched[0] is not child:
                watched = child, HangDetector(child.process_id, self._options.hang_seconds)
            watched[1].poll()
            if not self._hung and self._hangs(*watched):
                log.warning("the engine process hangs; it is killed and started again")
                self._hung = True
                child.kill()

    def _hangs(self, child: WorkerProcess, watch: HangDetector) -> bool:
        if self._facts is None:
            return watch.hangs_loading(child.last_event)
        sent = [job for job in self._jobs.values() if job.sent]
        if not sent:
            child.last_event = time.monotonic()  # it has nothing to report
            return False
        # A whole prompt is one silent call there, and may take minutes; the requests' own time limit must do.
        may_be_silent = self._options.engine == "optimum"
        overdue = time.monotonic() - max(job.deadline for job in sent) > self._options.hang_seconds
        return overdue or watch.hangs_at_work(child.last_event, may_be_silent=may_be_silent)

    def _time_out_unsent(self) -> None:
        now = time.monotonic()
        for job_id in [each for each, job in self._jobs.items() if not job.sent and job.deadline <= now]:
            self._finish(job_id, Outcome(FinishReason.TIMEOUT))

    def _on_exit(self, child: WorkerProcess) -> None:
        """The process is gone. If nobody wanted that, start another one and take its requests up again."""
        if child is not self._child or self._facts is None:
            return
        cause = "hung" if self._hung else "crashed"
        log.warning("the engine process %s (exit code %s); it is started again", cause, child.exit_code)
        if self._observer is not None:
            self._observer.engine_restarted(cause)
        self._restarts += 1
        if time.monotonic() - self._loaded_at > _STEADY_SECONDS:
            self._starts_without_step = 0
        self._end_in_background(child)
        self._requeue()
        self._restart()

    def _requeue(self) -> None:
        """Have ready for the next process what the lost one had, but for what must have ended it."""
        isolated, self._isolated = self._isolated, None
        for job_id, job in list(self._jobs.items()):
            if not job.sent:
                continue
            job.sent = False
            job.crashes += 1
            if job.complete:
                self._finish(job_id, Outcome(FinishReason.LENGTH))
            elif job.cancelled or job.request.prefill_only:
                self._finish(job_id, Outcome(FinishReason.CANCELLED))
            elif job_id == isolated and job.crashes >= MAX_CRASHES:
                log.error("a request of %d tokens ended the engine %d times", len(job.request.prompt_ids), job.crashes)
                detail = "This question makes the engine fail each time; please ask in other words."
                self._finish(job_id, Outcome(FinishReason.FAILED, detail))

    def _restart(self) -> None:
        if self._restarting is None:
            self._restarting = asyncio.create_task(self._restart_with_back_off())

    async def _restart_with_back_off(self) -> None:
        """Try to start the engine, a little later each time; give up on the waiting requests in the end."""
        detail = "it ends again and again"
        try:
            while self._starts_without_step < len(RESTART_DELAYS):
                await asyncio.sleep(RESTART_DELAYS[self._starts_without_step])
                self._starts_without_step += 1
                try:
                    await self._launch(None)
                except (ConfigurationError, OSError) as error:
                    detail = str(error)
                    log.warning("the engine did not start: %s", detail)
                else:
                    return
            self._starts_without_step = 0  # whoever asks next makes it try again
        finally:
            self._restarting = None
        self._fail_waiting(detail)

    def _fail_waiting(self, detail: str) -> None:
        for job_id in list(self._jobs):
            self._finish(job_id, Outcome(FinishReason.FAILED, f"the engine does not start: {detail}"))
