"""A short run of the fault suite, and that its judge sees what can be wrong with an answer."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from fault_injection.clients import Asked
from fault_injection.faults import Fault, plan_rounds
from fault_injection.footprint import Footprint
from fault_injection.report import Report
from fault_injection.suite import FaultSuite, exact_options
from fault_injection.verdict import Mistake, describe, judge

from bot.engine.interface import FinishReason, Outcome
from bot.engine.supervisor.token_stream import TokenStream

ROUNDS = 8
ANSWER = tuple(range(100, 130))
LENGTH = Outcome(FinishReason.LENGTH)
CANCELLED = Outcome(FinishReason.CANCELLED)


@pytest.mark.skipif(os.name != "posix", reason="the faults are POSIX signals")
async def test_nobody_who_asks_notices_that_the_engine_is_lost(tiny_model: Path) -> None:
    report = await FaultSuite(
        exact_options(tiny_model, hang_seconds=2.0), rounds=ROUNDS, questions=12, seed=1, say=print
    ).run()
    figures = "\n".join(report.lines())
    assert report.passed, figures
    assert report.rounds == ROUNDS, figures
    assert report.restarts["hung"] >= 1, figures
    assert report.restarts["crashed"] >= 4, figures
    assert report.requests >= 8, figures


async def asked(*pieces: tuple[int, ...], end: Outcome | None, tokens: int = 6, ahead: bool = False) -> Asked:
    """A request whose stream has brought these pieces, and has been read to its end if it has one."""
    stream = TokenStream(lambda: None)
    request = Asked(question=0, tokens=tokens, ahead=ahead, generation=stream)
    for piece in pieces:
        stream.push(piece)
    if end is not None:
        stream.finish(end)
        request.ids = [token async for piece in stream for token in piece]
        request.ended = True
    return request


async def test_a_whole_answer_is_right() -> None:
    assert await judge(await asked(ANSWER[:2], ANSWER[2:6], end=LENGTH), ANSWER) is None


@pytest.mark.parametrize(
    ("pieces", "end", "mistake"),
    [
        ((ANSWER[:3],), None, Mistake.LOST),
        ((ANSWER[:5],), LENGTH, Mistake.WRONG_COUNT),
        ((ANSWER[:3], ANSWER[2:6]), LENGTH, Mistake.WRONG_COUNT),
        ((ANSWER[:3], ANSWER[2:5]), LENGTH, Mistake.OTHER_TOKENS),
        ((ANSWER[:6],), Outcome(FinishReason.FAILED, "no"), Mistake.WRONG_END),
        ((ANSWER[:2],), CANCELLED, Mistake.WRONG_END),
    ],
)
async def test_what_is_wrong_with_an_answer_is_seen(
    pieces: tuple[tuple[int, ...], ...], end: Outcome | None, mistake: Mistake
) -> None:
    assert await judge(await asked(*pieces, end=end), ANSWER) is mistake


async def test_tokens_after_the_end_are_seen() -> None:
    request = await asked(ANSWER[:6], end=LENGTH)
    assert isinstance(request.generation, TokenStream)
    request.generation.push((ANSWER[6],))
    assert await judge(request, ANSWER) is Mistake.TOKENS_AFTER_END


async def test_a_cancelled_request_may_end_anywhere_but_must_not_outlive_its_engine() -> None:
    cancelled = await asked(ANSWER[:2], end=CANCELLED)
    came_too_late = await asked(ANSWER[:6], end=LENGTH)
    for request in (cancelled, came_too_late):
        request.cancelled = True
        assert await judge(request, ANSWER) is None
    came_too_late.lost_after_cancel = True
    assert await judge(came_too_late, ANSWER) is Mistake.WRONG_END


@pytest.mark.parametrize("end", [LENGTH, CANCELLED])
async def test_what_is_read_ahead_brings_no_tokens(end: Outcome) -> None:
    assert await judge(await asked(end=end, ahead=True), ANSWER) is None
    assert await judge(await asked(ANSWER[:1], end=end, ahead=True), ANSWER) is Mistake.WRONG_COUNT


async def test_a_description_leads_to_the_first_other_token() -> None:
    line = describe(await asked(ANSWER[:3], ANSWER[2:5], end=LENGTH), ANSWER)
    assert "6 tokens: 6 came, the first other token is number 3" in line


def test_a_plan_repeats_and_has_every_fault_equally_often() -> None:
    plan = plan_rounds(200, random.Random(5))
    assert plan == plan_rounds(200, random.Random(5))
    assert Counter(each.fault for each in plan) == dict.fromkeys(Fault, 50)
    assert sum(each.second is not None for each in plan) == 40


def test_a_report_fails_for_a_mistake_a_missing_round_or_something_left_behind() -> None:
    small, large = Footprint(frozenset(), 3, 10), Footprint(frozenset(), 3, 30)

    def report(rounds: int = 2, after: Footprint = small) -> Report:
        figures = Report(rounds_planned=2, before=small, recovery_seconds={"SIGKILL": [1.0] * rounds})
        figures.after = after
        return figures

    assert report().passed
    assert report().lines()[-1] == "passed"
    assert not report(rounds=1).passed
    assert not report(after=large).passed
    assert not report(after=Footprint(frozenset({1}), 3, 10)).passed
    wrong = report()
    wrong.mistakes[Mistake.LOST] += 1
    assert not wrong.passed
    assert wrong.lines()[-1] == "FAILED"
