"""A short run of the fault suite, and proof that its verdict catches each mistake."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from fault_injection.clients import ClientRequest
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
async def test_faults_cost_no_answer(tiny_model: Path) -> None:
    report = await FaultSuite(
        exact_options(tiny_model, hang_seconds=2.0), rounds=ROUNDS, questions=12, seed=1, say=print
    ).run()
    figures = "\n".join(report.lines())
    assert report.passed, figures
    assert report.rounds == ROUNDS, figures
    assert report.restarts["hung"] >= 1, figures
    assert report.restarts["crashed"] >= 4, figures
    assert report.requests >= 8, figures


async def answered(
    *pieces: tuple[int, ...], end: Outcome | None, tokens: int = 6, prefill_only: bool = False
) -> ClientRequest:
    """Return a request whose stream has yielded these pieces, read to its end if it has one."""
    stream = TokenStream(lambda: None)
    request = ClientRequest(question=0, tokens=tokens, prefill_only=prefill_only, generation=stream)
    for piece in pieces:
        stream.push(piece)
    if end is not None:
        stream.finish(end)
        request.ids = [token async for piece in stream for token in piece]
        request.ended = True
    return request


async def test_a_complete_answer_passes() -> None:
    assert await judge(await answered(ANSWER[:2], ANSWER[2:6], end=LENGTH), ANSWER) is None


@pytest.mark.parametrize(
    ("pieces", "end", "mistake"),
    [
        ((ANSWER[:3],), None, Mistake.UNFINISHED),
        ((ANSWER[:5],), LENGTH, Mistake.WRONG_COUNT),
        ((ANSWER[:3], ANSWER[2:6]), LENGTH, Mistake.WRONG_COUNT),
        ((ANSWER[:3], ANSWER[2:5]), LENGTH, Mistake.OTHER_TOKENS),
        ((ANSWER[:6],), Outcome(FinishReason.FAILED, "no"), Mistake.WRONG_END),
        ((ANSWER[:2],), CANCELLED, Mistake.WRONG_END),
    ],
)
async def test_mistakes_are_found(pieces: tuple[tuple[int, ...], ...], end: Outcome | None, mistake: Mistake) -> None:
    assert await judge(await answered(*pieces, end=end), ANSWER) is mistake


async def test_tokens_after_the_end_are_found() -> None:
    request = await answered(ANSWER[:6], end=LENGTH)
    assert isinstance(request.generation, TokenStream)
    request.generation.push((ANSWER[6],))
    assert await judge(request, ANSWER) is Mistake.TOKENS_AFTER_END


async def test_a_cancelled_request_may_end_anywhere_but_must_not_outlive_its_engine() -> None:
    cancelled = await answered(ANSWER[:2], end=CANCELLED)
    cancelled_too_late = await answered(ANSWER[:6], end=LENGTH)
    for request in (cancelled, cancelled_too_late):
        request.cancelled = True
        assert await judge(request, ANSWER) is None
    cancelled_too_late.crashed_after_cancel = True
    assert await judge(cancelled_too_late, ANSWER) is Mistake.WRONG_END


@pytest.mark.parametrize("end", [LENGTH, CANCELLED])
async def test_a_prefill_yields_no_tokens(end: Outcome) -> None:
    assert await judge(await answered(end=end, prefill_only=True), ANSWER) is None
    assert await judge(await answered(ANSWER[:1], end=end, prefill_only=True), ANSWER) is Mistake.WRONG_COUNT


async def test_a_description_names_the_first_other_token() -> None:
    line = describe(await answered(ANSWER[:3], ANSWER[2:5], end=LENGTH), ANSWER)
    assert "6 tokens: 6 came, the first other token is number 3" in line


def test_a_plan_is_repeatable_and_has_every_fault_equally_often() -> None:
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
    wrong.mistakes[Mistake.UNFINISHED] += 1
    assert not wrong.passed
    assert wrong.lines()[-1] == "FAILED"
