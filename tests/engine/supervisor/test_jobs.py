"""Which requests the worker gets: all of them, unless one may be what crashes it."""

from __future__ import annotations

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.supervisor.job import MAX_CRASHES, SUSPICIOUS_CRASHES, Job
from bot.engine.supervisor.jobs import Jobs
from bot.engine.supervisor.token_stream import TokenStream


def add(jobs: Jobs) -> int:
    job_id = jobs.next_id()
    jobs.add(job_id, Job(GenerationRequest((1,), frozenset(), 5), TokenStream(lambda: None), deadline=0.0))
    return job_id


def sent(jobs: Jobs) -> list[int]:
    return [job_id for job_id, _ in jobs.to_send()]


def test_each_is_sent_once_until_it_is_interrupted() -> None:
    jobs = Jobs()
    one, two = add(jobs), add(jobs)
    assert sent(jobs) == [one, two]
    assert sent(jobs) == []
    assert jobs.interrupt(two) is None
    assert sent(jobs) == [two]


def test_a_suspicious_one_waits_until_it_is_alone_and_the_others_wait_for_it() -> None:
    jobs = Jobs()
    suspect, other = add(jobs), add(jobs)
    for _ in range(SUSPICIOUS_CRASHES):
        assert suspect in sent(jobs)
        assert jobs.interrupt(suspect) is None
    late = add(jobs)
    assert sent(jobs) == []
    jobs.remove(other)
    assert sent(jobs) == [suspect]
    assert sent(jobs) == []
    assert jobs.end_isolation(suspect)
    assert sent(jobs) == [late]


def test_only_one_that_was_alone_fails() -> None:
    jobs = Jobs()
    suspect = add(jobs)
    for _ in range(MAX_CRASHES - 1):
        assert sent(jobs) == [suspect]
        assert jobs.interrupt(suspect) is None
    assert sent(jobs) == [suspect]
    outcome = jobs.interrupt(suspect)
    assert outcome is not None
    assert outcome.reason is FinishReason.FAILED
    jobs.remove(suspect)
    assert not jobs
