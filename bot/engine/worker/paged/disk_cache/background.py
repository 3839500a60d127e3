"""Runs jobs in one thread beside the worker's, which computes."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum


class Urgency(IntEnum):
    """Which job comes first."""

    DELETE = 0
    LOAD = 1
    LOAD_AHEAD = 2
    WRITE = 3


@dataclass(eq=False, slots=True)
class Job:
    """Something to do on the disk.

    Attributes:
        run: does it, in the thread, and returns the bytes that it moved.
        on_end: called once in the thread of the caller, by `poll` or `drop`, also for a cancelled job.
        cancelled: set it to keep `run` from beginning.
        began: whether `run` was called.
        seconds: how long `run` took.
        size: what it returned.
        error: what it raised.
    """

    urgency: Urgency
    run: Callable[[], int]
    on_end: Callable[[Job], None] = lambda _: None
    cancelled: bool = False
    began: bool = False
    seconds: float = 0.0
    size: int = 0
    error: Exception | None = None


@dataclass(order=True, slots=True)
class _Waiting:
    urgency: Urgency
    number: int
    job: Job = field(compare=False)


class BackgroundJobs:
    """A thread that runs the most urgent job first, and jobs of one urgency in their order."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._ended: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._unended = 0
        threading.Thread(target=self._run, name="disk-cache", daemon=True).start()

    @property
    def busy(self) -> bool:
        """Whether `poll` has not handled the end of every job."""
        return self._unended > 0

    def add(self, job: Job) -> Job:
        """Queue a job."""
        self._unended += 1
        with self._changed:
            heapq.heappush(self._waiting, _Waiting(job.urgency, next(self._numbers), job))
            self._changed.notify()
        return job

    def drop(self, urgency: Urgency) -> None:
        """Drop what has not begun and is cancelled or of an urgency, and handle the ends."""
        with self._changed:
            waiting, self._waiting = self._waiting, []
            dropped: list[_Waiting] = []
            for each in waiting:
                (dropped if each.job.cancelled or each.urgency is urgency else self._waiting).append(each)
            heapq.heapify(self._waiting)
        for each in dropped:
            each.job.cancelled = True
            self._end(each.job)
        self.poll()

    def poll(self, timeout: float = 0.0) -> None:
        """Handle the ends of jobs; wait for the first at most this long, in seconds."""
        if not self.busy:
            return
        try:
            self._end(self._ended.get(timeout=timeout) if timeout else self._ended.get_nowait())
            while True:
                self._end(self._ended.get_nowait())
        except queue.Empty:
            return

    def _end(self, job: Job) -> None:
        self._unended -= 1
        job.on_end(job)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                job = heapq.heappop(self._waiting).job
                job.began = not job.cancelled
            if job.began:
                started = time.perf_counter()
                try:
                    job.size = job.run()
                except Exception as error:  # noqa: BLE001 - without this thread, loads would never end
                    job.error = error
                job.seconds = time.perf_counter() - started
            self._ended.put(job)
