"""A short run of the suite of Discord's faults, and proof that its verdict catches each mistake."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from discord_faults.people import Question
from discord_faults.plan import FULL, SHORT, Fault, Load, plan_round
from discord_faults.report import Report, RoundResult
from discord_faults.suite import DiscordFaultSuite
from discord_faults.verdict import judge_round
from separate_bot.replies import BotMessage, Replies
from separate_bot.stored_memory import StoredMemory, StoredTurn
from separate_bot.verdict import Mistake, is_settled
from separate_bot.watch import tracebacks

from bot.demo.loopback import ApiCall, CallKind

SEEDS = (10, 12, 19, 29, 37, 92, 107, 152, 155, 164)
BOTS = 4
CHANNEL, ADA, GRACE, LINUS = 1, 11, 12, 13
ANSWERED = Question(100, CHANNEL, ADA, ("question 0",))
REFUSED = Question(110, CHANNEL, GRACE, ("question 1",))
QUESTIONS = [ANSWERED, REFUSED]
FIRST = BotMessage(101, CHANNEL, 100, "1oooo 2oooo", has_button=False)
LAST = BotMessage(102, CHANNEL, None, "3oooo\n-# This answer reached the maximum length. Ask me.", has_button=False)
REFUSAL = BotMessage(111, CHANNEL, 110, "My queue is full. Ask again in a few minutes.", has_button=False)
NOTICE = BotMessage(120, CHANNEL, None, f"<@{GRACE}> <@{LINUS}> My queue is full.", has_button=False)
MEMORY = StoredMemory(
    turns={100: StoredTurn(CHANNEL, None, ADA, "question 0", "1oooo 2oooo 3oooo")},
    tips={CHANNEL: 100},
    replies={100: [101, 102]},
    accepted=[],
    integrity="ok",
)


@pytest.mark.skipif(os.name != "posix", reason="one of the faults is a SIGTERM")
async def test_faults_leave_nobody_out(model_of_many_lengths: Path, tmp_path: Path) -> None:
    suite = DiscordFaultSuite(
        model_of_many_lengths, tmp_path, seeds=SEEDS, scale=SHORT, parallel=BOTS, repeat="seed", say=print
    )
    report = await suite.run()
    figures = "\n".join([*report.lines(), *logs_below(tmp_path)])
    assert report.passed, figures
    assert sum(each.answered for each in report.results) >= 80, figures


def logs_below(folder: Path) -> list[str]:
    """Return the logs of the rounds that failed."""
    return [log.read_text() for log in folder.glob("*/seed-*.log")]


def test_the_short_run_has_every_fault_and_every_load() -> None:
    plans = [plan_round(seed, SHORT) for seed in SEEDS]
    assert {strike.fault for plan in plans for strike in plan.strikes} == set(Fault)
    assert {plan.load for plan in plans} == set(Load)


def test_a_plan_is_repeatable_and_every_fault_comes_equally_often() -> None:
    plans = [plan_round(seed, FULL) for seed in range(170)]
    assert plans == [plan_round(seed, FULL) for seed in range(170)]
    firsts = Counter(fault for seed in range(170) for fault in [tuple(Fault)[seed % 17]])
    assert firsts == dict.fromkeys(Fault, 10)
    for seed, plan in enumerate(plans):
        faults = {strike.fault for strike in plan.strikes}
        assert tuple(Fault)[seed % 17] in faults
        assert Fault.FULL_DISK not in faults or faults.isdisjoint({Fault.KILL, Fault.TERMINATE})
        assert all(strike.seconds <= 120 for strike in plan.strikes)


def replies_of(*messages: BotMessage) -> Replies:
    replies = Replies()
    for message in messages:
        replies.add(message)
    return replies


def mistakes(replies: Replies, memory: StoredMemory = MEMORY) -> list[Mistake]:
    return [mistake for mistake, _ in judge_round(QUESTIONS, replies, memory, first_id=99)]


@pytest.mark.parametrize(
    "told", [REFUSAL, NOTICE, replace(NOTICE, question_id=110)], ids=["a reply", "a notice", "a notice that replies"]
)
def test_an_answer_and_a_refusal_pass(told: BotMessage) -> None:
    replies = replies_of(BotMessage(90, CHANNEL, None, "earlier", has_button=False), FIRST, LAST, told)
    assert mistakes(replies) == []
    assert all(is_settled(each, replies) for each in QUESTIONS)


def test_who_waits_is_not_settled() -> None:
    replies = replies_of(replace(FIRST, has_button=True))
    assert not any(is_settled(each, replies) for each in QUESTIONS)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        pytest.param(replies_of(FIRST, LAST), [Mistake.NEVER_TOLD], id="never told"),
        pytest.param(replies_of(REFUSAL), [Mistake.UNANSWERED], id="not answered"),
        pytest.param(
            replies_of(FIRST, LAST, replace(FIRST, id=103), REFUSAL), [Mistake.ANSWERED_TWICE], id="answered twice"
        ),
        pytest.param(
            replies_of(FIRST, replace(LAST, has_button=True), REFUSAL), [Mistake.BUTTON_LEFT], id="button left"
        ),
        pytest.param(replies_of(FIRST, replace(LAST, content="3o"), REFUSAL), [Mistake.OTHER_TEXT], id="half a text"),
        pytest.param(
            replies_of(FIRST, replace(LAST, content="3oooo\n-# Stopped."), REFUSAL), [Mistake.CUT_SHORT], id="stopped"
        ),
        pytest.param(replies_of(FIRST, LAST, REFUSAL, replace(REFUSAL, id=112)), [Mistake.TOLD_TWICE], id="told twice"),
        pytest.param(replies_of(FIRST, LAST, REFUSAL, NOTICE), [Mistake.TOLD_TWICE], id="told by reply and notice"),
        pytest.param(
            replies_of(FIRST, LAST, NOTICE, replace(NOTICE, id=121)), [Mistake.TOLD_TWICE], id="told by two notices"
        ),
        pytest.param(
            replies_of(FIRST, LAST, replace(REFUSAL, content="1oooo")), [Mistake.NOT_REMEMBERED], id="not remembered"
        ),
        pytest.param(
            replies_of(FIRST, LAST, replace(REFUSAL, content="I am restarting.")), [Mistake.UNFINISHED], id="put off"
        ),
        pytest.param(
            replies_of(FIRST, LAST, REFUSAL, BotMessage(130, CHANNEL, None, "3oooo", has_button=False)),
            [Mistake.STRAY_MESSAGE],
            id="a part sent twice",
        ),
        pytest.param(
            replies_of(FIRST, LAST, REFUSAL, BotMessage(130, CHANNEL, 80, "1oooo", has_button=False)),
            [Mistake.STRAY_MESSAGE],
            id="an earlier question answered again",
        ),
    ],
)
def test_mistakes_on_discord_are_found(replies: Replies, expected: list[Mistake]) -> None:
    assert mistakes(replies) == expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        pytest.param(replace(MEMORY, accepted=[100]), Mistake.UNFINISHED, id="unfinished"),
        pytest.param(replace(MEMORY, integrity="page 3 is lost"), Mistake.DAMAGED, id="damaged"),
    ],
)
def test_mistakes_in_memory_are_found(memory: StoredMemory, expected: Mistake) -> None:
    assert mistakes(replies_of(FIRST, LAST, REFUSAL), memory) == [expected]


def test_tracebacks_are_found_by_their_errors() -> None:
    log = (
        "12:00 ERROR one: it failed\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in f\n'
        "    g()\n"
        "ValueError: no\n"
        "12:01 INFO two: on it goes\n"
    )
    assert tracebacks(log) == ["ValueError: no"]
    assert tracebacks("12:01 INFO two: on it goes\n") == []


def result_of(seed: int = 3) -> RoundResult:
    result = RoundResult(plan_round(seed, SHORT), questions=2, answered=1, told=1, settle_seconds=1.0)
    call = ApiCall("POST", "/channels/1/messages", 429, 0.0, CallKind.SEND, is_injected=True)
    result.count_calls([call, call._replace(is_injected=False), call._replace(status=200)])
    return result


@pytest.mark.parametrize(
    "fail",
    [lambda report: report.results.pop(), lambda report: report.results[0].problems.append("traceback: ValueError")],
    ids=["a missing round", "a problem"],
)
def test_a_report_fails_for(fail: Callable[[Report], object]) -> None:
    report = Report(rounds_planned=1, repeat="python suite.py --seed", results=[result_of()])
    assert report.passed
    assert report.lines()[-1] == "passed"
    fail(report)
    assert not report.passed
    assert report.lines()[-1] == "FAILED"


def test_a_report_counts_requests_and_says_how_to_repeat_a_round() -> None:
    result = result_of()
    result.problems.append("told more than once: member 11")
    lines = "\n".join(Report(rounds_planned=1, repeat="python suite.py --seed", results=[result]).lines())
    assert "requests that faults struck: 2" in lines
    assert "429: 1 by faults, 1 by Discord's limits, 1 at most in a round" in lines
    assert "3.00      0.00      0.00      0.00      0.00      2.00         1" in lines
    assert "alone: python suite.py --seed 3" in lines
    assert "told more than once: member 11" in lines
