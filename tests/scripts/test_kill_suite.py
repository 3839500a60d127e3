"""A short run of the kill suite, and that its judge sees what can be wrong with an answer and with memory."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from kill_injection.kills import Phase, plan_rounds
from kill_injection.memory_file import KeptTurn, MemoryFile
from kill_injection.people import Mention, Place
from kill_injection.replies import Replies, Shown
from kill_injection.report import Report
from kill_injection.suite import KillSuite
from kill_injection.verdict import Mistake, judge_mention, judge_rest

ROUNDS = 3
CHANNEL, ADA, GRACE = 1, 11, 12
PLACES = [Place(CHANNEL, (ADA, GRACE)), Place(2, (ADA,), is_stable=False)]
MENTIONS = [
    Mention(100, CHANNEL, ADA, ["question 0", "question 0, edited"], is_missed=False),
    Mention(200, CHANNEL, GRACE, ["question 1"], is_missed=True),
    Mention(300, CHANNEL, ADA, ["question 2"], is_missed=False),
]
LONG = Shown(101, CHANNEL, 100, "one two\nthree", has_button=False)
REST = Shown(102, CHANNEL, None, "four\n-# Cut off here.", has_button=False)
SECOND = Shown(201, CHANNEL, 200, "five", has_button=False)
THIRD = Shown(301, CHANNEL, 300, "six", has_button=False)
MEMORY = MemoryFile(
    turns={
        200: KeptTurn(CHANNEL, None, GRACE, "question 1", "five"),
        100: KeptTurn(CHANNEL, 200, ADA, "question 0, edited", "one two three\nfour"),
        300: KeptTurn(CHANNEL, 100, ADA, "question 2", "six"),
    },
    tips={CHANNEL: 300},
    replies={100: [101, 102], 200: [201], 300: [301]},
    accepted=[],
    integrity="ok",
)


@pytest.mark.skipif(os.name != "posix", reason="the last end is a SIGTERM")
async def test_nobody_who_asks_notices_that_the_bot_is_killed(wordy_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    folder.mkdir()
    suite = KillSuite(wordy_model, folder, rounds=ROUNDS, seed=1, say=print)
    report = await suite.run()
    figures = "\n".join([*report.lines(), (folder / "log.txt").read_text()])
    assert report.passed, figures
    assert report.rounds == ROUNDS, figures
    assert report.mentions >= 6, figures


def heard(*shown: Shown) -> Replies:
    replies = Replies()
    for each in shown:
        replies.note(each)
    return replies


def mistakes(replies: Replies, memory: MemoryFile = MEMORY) -> list[Mistake]:
    """What is wrong with the mentions, and then beside them."""
    found = [mistake for each in MENTIONS if (mistake := judge_mention(each, replies, memory)) is not None]
    return found + [mistake for mistake, _ in judge_rest(MENTIONS, PLACES, replies, memory)]


def with_turn(turn_id: int, **changes: object) -> MemoryFile:
    changed = replace(MEMORY.turns[turn_id], **changes)  # type: ignore[arg-type]
    return replace(MEMORY, turns={**MEMORY.turns, turn_id: changed})


def test_right_answers_are_right() -> None:
    assert mistakes(heard(LONG, REST, SECOND, THIRD)) == []
    growing = replace(LONG, content="one", has_button=True)
    assert mistakes(heard(growing, REST, SECOND, LONG, THIRD)) == []
    fenced = replace(LONG, content="one two\nthree```\n```"), replace(REST, content="```\nfour")
    assert mistakes(heard(*fenced, SECOND, THIRD), with_turn(100, answer="one two\nthree```\nfour")) == []


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        pytest.param(heard(LONG, REST, THIRD), [Mistake.UNANSWERED], id="unanswered"),
        pytest.param(
            heard(LONG, REST, SECOND, THIRD, replace(SECOND, id=202)),
            [Mistake.ANSWERED_TWICE, Mistake.STRAY_MESSAGE],
            id="twice",
        ),
        pytest.param(heard(LONG, SECOND, THIRD), [Mistake.PART_LOST], id="part lost"),
        pytest.param(
            heard(LONG, REST, SECOND, THIRD, replace(REST, id=103)), [Mistake.STRAY_MESSAGE], id="part sent twice"
        ),
        pytest.param(
            heard(LONG, replace(REST, has_button=True), SECOND, THIRD), [Mistake.BUTTON_LEFT], id="button left"
        ),
        pytest.param(heard(LONG, replace(REST, content="4"), SECOND, THIRD), [Mistake.OTHER_TEXT], id="other text"),
        pytest.param(
            heard(LONG, REST, replace(SECOND, content="-# I am being restarted."), THIRD),
            [Mistake.OTHER_TEXT],
            id="told of a restart",
        ),
    ],
)
def test_what_is_wrong_on_discord_is_seen(replies: Replies, expected: list[Mistake]) -> None:
    assert mistakes(replies) == expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        pytest.param(with_turn(100, author_id=None), [Mistake.NOT_REMEMBERED], id="erased"),
        pytest.param(with_turn(100, text="question 7"), [Mistake.OTHER_QUESTION], id="other question"),
        pytest.param(with_turn(100, answer="one two three"), [Mistake.OTHER_TEXT], id="other answer"),
        pytest.param(with_turn(300, parent_id=200), [Mistake.WRONG_ORDER], id="two lines"),
        pytest.param(replace(MEMORY, tips={CHANNEL: 100}), [Mistake.WRONG_ORDER], id="tip too early"),
        pytest.param(replace(MEMORY, tips={}), [Mistake.WRONG_ORDER], id="no tip"),
        pytest.param(replace(MEMORY, accepted=[300]), [Mistake.UNFINISHED], id="unfinished"),
        pytest.param(replace(MEMORY, integrity="page 3 is lost"), [Mistake.DAMAGED], id="damaged"),
        pytest.param(
            replace(MEMORY, replies={**MEMORY.replies, 200: []}),
            [Mistake.PART_LOST, Mistake.STRAY_MESSAGE],
            id="reply not kept",
        ),
    ],
)
def test_what_is_wrong_in_memory_is_seen(memory: MemoryFile, expected: list[Mistake]) -> None:
    assert mistakes(heard(LONG, REST, SECOND, THIRD), memory) == expected


def test_each_person_s_own_order_is_judged() -> None:
    turns = MEMORY.turns
    swapped = {200: turns[200], 300: replace(turns[300], parent_id=200), 100: replace(turns[100], parent_id=300)}
    memory = replace(MEMORY, turns=swapped, tips={CHANNEL: 100})
    assert mistakes(heard(LONG, REST, SECOND, THIRD), memory) == [Mistake.WRONG_ORDER]


def test_a_plan_repeats_and_has_every_phase_equally_often() -> None:
    plan = plan_rounds(100, random.Random(5))
    assert plan == plan_rounds(100, random.Random(5))
    assert Counter(each.phase for each in plan) == dict.fromkeys(Phase, 20)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.kills.subtract({"starting": 1}),
        lambda report: report.mistakes.update([Mistake.UNANSWERED]),
        lambda report: report.troubles.append("processes were left behind: [1]"),
    ],
    ids=["a missing round", "a mistake", "something left behind"],
)
def test_a_report_fails_for(spoil: Callable[[Report], None]) -> None:
    report = Report(rounds_planned=2, kills=Counter({"starting": 1, "answering": 1}))
    assert report.passed
    assert report.lines()[-1] == "passed"
    spoil(report)
    assert not report.passed
    assert report.lines()[-1] == "FAILED"
