"""The requests that have not ended, and which of them the worker gets next."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from bot.engine.interface import Outcome
from bot.engine.supervisor.job import Job


class Jobs:
    """The jobs by their ids.

    After two crashes in a row a request runs alone: it may be what crashes the engine.
    """

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._isolated: int | None = None
        self._ids = itertools.count()

    def next_id(self) -> int:
        """An id that no job had."""
        return next(self._ids)

    def add(self, job_id: int, job: Job) -> None:
        """Add a job under an id of `next_id`."""
        self._jobs[job_id] = job

    def get(self, job_id: int) -> Job | None:
        """A job; None once it has ended."""
        return self._jobs.get(job_id)

    def remove(self, job_id: int) -> Job | None:
        """Forget a job, and return it if it was there."""
        self.end_isolation(job_id)
        return self._jobs.pop(job_id, None)

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """The jobs, while none is added or removed."""
        return iter(self._jobs.values())

    def items(self) -> list[tuple[int, Job]]:
        """The jobs at this moment, with their ids."""
        return list(self._jobs.items())

    def to_send(self) -> list[tuple[int, Job]]:
        """The jobs that the worker gets now; each is returned once until it is interrupted.

        A suspicious job comes first, and alone: it waits until those that run have ended, and the others wait for it.
        """
        if self._isolated is not None:
            return []
        waiting = [(job_id, job) for job_id, job in self._jobs.items() if not job.sent]
        suspicious = next(((job_id, job) for job_id, job in waiting if job.suspicious), None)
        if suspicious is not None:
            if len(waiting) < len(self._jobs):
                return []
            self._isolated = suspicious[0]
            waiting = [suspicious]
        for _, job in waiting:
            job.sent = True
        return waiting

    def end_isolation(self, job_id: int) -> bool:
        """Note that a job has made a token or ended; return whether the others waited for that."""
        if self._isolated != job_id:
            return False
        self._isolated = None
        return True

    def interrupt(self, job_id: int) -> Outcome | None:
        """Note that a job's worker or server is gone; return how it ends, None if it runs again."""
        was_alone = self.end_isolation(job_id)
        return self._jobs[job_id].crash(alone=was_alone)
