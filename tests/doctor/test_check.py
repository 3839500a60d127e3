"""A check has a time limit, and its own failure is a finding and no traceback."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.doctor.check import Check, Finding, Findings, Result, in_thread, run_check
from bot.errors import ConfigurationError


async def findings_of(error: Exception | None) -> Findings:
    async def find() -> Findings:
        if error is not None:
            raise error
        return [Finding("it", Result.OK, "all is well")]

    return await run_check(Check("it", find, seconds=30))


async def test_what_a_check_finds_is_passed_on() -> None:
    assert await findings_of(None) == [Finding("it", Result.OK, "all is well")]


async def test_an_error_line_becomes_cause_and_way_out() -> None:
    error = ConfigurationError("the disk is full; make room; then try again")
    assert await findings_of(error) == [Finding("it", Result.ERROR, "the disk is full", "make room; then try again")]


async def test_an_unexpected_failure_shows_no_more_than_its_kind() -> None:
    [finding] = await findings_of(KeyError("postgresql://me:hunter2@host"))
    assert (finding.check, finding.result) == ("it", Result.WARNING)
    assert finding.line == "not checked: the check failed unexpectedly (KeyError)"
    assert "report" in finding.way_out


async def test_a_check_ends_at_its_time_limit_even_in_a_call_that_never_returns() -> None:
    never = threading.Event()

    async def find() -> Findings:
        await in_thread(never.wait)
        return []

    [finding] = await run_check(Check("it", find, seconds=0.05))
    assert finding.result is Result.WARNING
    assert finding.line.startswith("not checked: this took longer than")
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "check")
    never.set()


async def test_a_call_in_a_thread_returns_and_raises() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ValueError, match="no"):
        await in_thread(lambda: int("no"))
    assert [*await asyncio.gather(in_thread(lambda: 1), in_thread(lambda: 2))] == [1, 2]
